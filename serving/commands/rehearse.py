"""`serving rehearse` and `serving down`: an environment on this machine, and its end."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from rehearsal.run import Outcome
    from serving.verify import Report
    from settings.derive import Deployment

# Several rounds of health checks.
_HEALTHY_SECONDS = 90

ENV = typer.Argument(metavar="ENV", help="Name of an environment, or path of its file.")


class Format(StrEnum):
    """Output formats."""

    TEXT = "text"
    JSON = "json"


def rehearse(
    environment: Annotated[str, ENV],
    preview: Annotated[bool, typer.Option("--preview", help="Only say what `up` would do.")] = False,
    prepare: Annotated[
        bool, typer.Option("--prepare", help="Only get the binaries; the first time takes long.")
    ] = False,
    stockout: Annotated[
        list[str] | None, typer.Option(metavar="ZONE", help="A zone without TPUs: pods there stay Pending.")
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="text, or json (one document at the end).")] = Format.TEXT,
) -> None:
    """Run `up` of an environment on this machine: real engine, control plane and controllers, no cloud.

    It stays running until `down`. Run it again after a change of the environment's file.

    Examples:

        python -m serving rehearse dev

        python -m serving rehearse dev --preview

        python -m serving rehearse examples/multi-host.yaml --stockout europe-west4-a
    """
    # Imported here: `--help` and a refused file need neither the engine nor a client.
    from checks.environment import require
    from serving.refused import print_findings
    from settings.document import find_environment, read_document
    from settings.refusal import RefusedError

    try:
        path = find_environment(environment)
        deployment, _ = require(read_document(path))
    except RefusedError as refused:
        print_findings(refused.findings, refused.origin, output is Format.JSON)
        raise typer.Exit(2) from None
    from rich.console import Console

    from rehearsal import assets, control_plane, parts
    from rehearsal.directory import DirectoryError
    from rehearsal.engine.engine import EngineError
    from rehearsal.engine.plugins import PluginError
    from rehearsal.locate import directory_of
    from rehearsal.run import rehearse as run

    console = Console(stderr=output is Format.JSON, soft_wrap=True)
    try:
        if prepare:
            assets.ensure(parts.assets_of(deployment), assets.show(console))
            return
        outcome = run(deployment, path, directory_of(environment), console, stockouts=stockout or [], preview=preview)
    except (assets.AssetError, control_plane.ControlPlaneError, DirectoryError, EngineError, PluginError) as error:
        _failed(str(error), output)
    raise typer.Exit(_report(console, deployment, outcome, output))


def _report(console: Console, deployment: Deployment, outcome: Outcome, output: Format) -> int:
    """Ask whether it serves, say everything, and give the exit code. A preview has nothing to ask."""
    from rehearsal.report import print_access, print_counts

    if output is Format.TEXT:
        print_counts(console, deployment, outcome)
    verdict = _verdict(console, outcome) if outcome.outputs else None
    if output is Format.JSON:
        document = {**_document(outcome), "verify": verdict.as_json() if verdict else None}
        sys.stdout.write(json.dumps(document, indent=2, default=str) + "\n")
    elif verdict is not None:
        from serving.verify.show import print_report

        print_access(console, deployment, outcome)
        print_report(console, verdict)
    return verdict.exit_code if verdict else 0


def _verdict(console: Console, outcome: Outcome) -> Report:
    """Ready is not healthy yet: the load balancer's checks need a moment."""
    from serving.verify import rehearsal_target, verify

    with outcome.timed("verify"):
        return verify(
            rehearsal_target(outcome.directory, outcome.outputs),
            wait_seconds=_HEALTHY_SECONDS,
            progress=lambda text: console.print(f"  {text}", highlight=False, markup=False),
        )


def down(
    environment: Annotated[str, ENV],
    output: Annotated[Format, typer.Option("--format", help="text, or json (one document at the end).")] = Format.TEXT,
) -> None:
    """Destroy a rehearsal's stack, end its processes, and prove that nothing is left.

    Example:

        python -m serving down dev
    """
    from rich.console import Console

    from rehearsal.directory import DirectoryError
    from rehearsal.end import LeftoverError, end
    from rehearsal.locate import directory_of
    from serving.refused import print_findings
    from settings.refusal import RefusedError

    try:
        directory = directory_of(environment)
    except RefusedError as refused:
        print_findings(refused.findings, refused.origin, output is Format.JSON)
        raise typer.Exit(2) from None
    console = Console(stderr=output is Format.JSON, soft_wrap=True)
    running = directory.path.exists()
    try:
        notes = end(directory, console) if running else []
    except (DirectoryError, LeftoverError) as error:
        _failed(str(error), output)
    if output is Format.JSON:
        sys.stdout.write(json.dumps({"environment": environment, "wasRunning": running, "notes": notes}) + "\n")
        return
    for note in notes:
        console.print(f"  note: {note}", highlight=False)
    ended = "ended: no object, process, port or file of it is left" if running else "was not running"
    console.print(f"The rehearsal of {environment} {ended}.")


def _failed(message: str, output: Format) -> Any:
    """Say what went wrong and end with 1."""
    if output is Format.JSON:
        sys.stdout.write(json.dumps({"error": message}, indent=2) + "\n")
    else:
        typer.secho(f"failed: {message}", fg="red", err=True)
    raise typer.Exit(1) from None


def _document(outcome: Outcome) -> dict[str, Any]:
    from rehearsal.engine.workspace import ordinary_cli

    return {
        "summary": outcome.summary,
        "outputs": outcome.outputs,
        "seconds": {phase: round(seconds, 1) for phase, seconds in outcome.seconds.items()},
        "notes": outcome.notes,
        "kubeconfig": str(outcome.directory.kubeconfig),
        "variables": ordinary_cli(outcome.directory),
    }
