"""`serving rehearse` and `serving down`: an environment on this machine, and its end."""

from __future__ import annotations

import shutil
import textwrap
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from serving.commands.options import (
    Environment,
    Format,
    FormatOption,
    end_with,
    print_json,
    rejections,
    require_packages,
)

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from rehearsal.run import Outcome
    from rehearsal.undo import Undo
    from serving.checking.findings import Report
    from settings.derive import Deployment

# Several rounds of health checks.
_HEALTHY_SECONDS = 90
# Where something is to fail, its first name is awaited: a pod must have crashed, a status been written.
_NAMED_SECONDS = 45


def rehearse(
    environment: Environment,
    preview: Annotated[bool, typer.Option("--preview", help="Only preview what `up` would do.")] = False,
    prepare: Annotated[
        bool, typer.Option("--prepare", help="Only fetch or build the programs and charts; slow the first time.")
    ] = False,
    stockout: Annotated[
        list[str] | None, typer.Option(metavar="ZONE|PURCHASE", help="Inject a zone or purchase without TPUs.")
    ] = None,
    undo: Annotated[
        list[str] | None,
        typer.Option(metavar="RULE", help="Inject a known failure: remove the fix of RULE; `--undo list` lists them."),
    ] = None,
    drain: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Then upgrade a node of the model while clients ask.")
    ] = None,
    metrics: Annotated[bool, typer.Option("--metrics", help="Collect metrics; always where a model scales.")] = False,
    output: FormatOption = Format.TEXT,
) -> None:
    """Run an environment on this machine in an emulated cloud.

    `up` runs with the real engine, control plane and controllers. It stays running until `down`. Run it again after a
    change of the environment's file, or to restore what --undo removed. --undo and --stockout can be given several times.
    --drain cordons a node, evicts its pods as the disruption budget allows, and deletes it, while clients send requests.

    Examples:

        python -m serving rehearse dev

        python -m serving rehearse examples/capacity-order.yaml --stockout onDemand

        python -m serving rehearse dev --undo RT01

        python -m serving rehearse prod --drain qwen2-5-3b

        python -m serving rehearse dev --metrics
    """
    require_packages("cloud", "rehearsal", as_json=output is Format.JSON)
    deployment, path = _environment(environment, output)
    _check_drain(drain, deployment, output, alone=not (undo or stockout or preview or prepare))
    undos, stockouts = _undos(undo or [], deployment, output), _stockouts(stockout or [], deployment, output)
    from cluster.target import rehearsal_folder
    from rehearsal import assets, control_plane
    from rehearsal.directory import DirectoryError, RehearsalDirectory
    from rehearsal.engine.engine import EngineError
    from rehearsal.run import rehearse as run

    console, directory = _console(output), RehearsalDirectory(rehearsal_folder(environment))
    try:
        if prepare:
            return _prepare(deployment, console, metrics=metrics)
        outcome = run(
            deployment, path, directory, console, stockouts=stockouts, undos=undos, preview=preview, metrics=metrics
        )
    except (assets.AssetError, control_plane.ControlPlaneError, DirectoryError, EngineError) as error:
        _failed(str(error), output)
    except OSError as error:
        _failed(_of_the_system(error), output)
    raise typer.Exit(_report(console, deployment, path, outcome, undos, drain, output))


def _prepare(deployment: Deployment, console: Console, *, metrics: bool) -> None:
    from rehearsal import assets, parts

    assets.ensure(parts.assets_of(deployment, metrics=metrics), assets.Progress(console))
    assets.ensure_modules(assets.Progress(console))


def _check_drain(model: str | None, deployment: Deployment, output: Format, *, alone: bool) -> None:
    """End the command where there is no such model, or something else is asked for that keeps it from serving."""
    names = [served.name for served in deployment.models]
    if model is not None and not alone:
        _failed("--drain goes with none of --undo, --stockout, --preview and --prepare.", output, 2)
    if model is not None and model not in names:
        _failed(f"{deployment.name} has no model {model!r}. Its models: {', '.join(names)}.", output, 2)


def _console(output: Format) -> Console:
    from rich.console import Console

    return Console(stderr=output is Format.JSON, soft_wrap=True)


def _environment(environment: str, output: Format) -> tuple[Deployment, Path]:
    """The environment and its file, or the end of the command where it is rejected."""
    # Imported here: `--help` and a refused file need neither the engine nor a client.
    from checks.environment import require
    from settings.document import find_environment, read_document

    with rejections(output is Format.JSON):
        path = find_environment(environment)
        return require(read_document(path))[0], path


def _stockouts(named: list[str], deployment: Deployment, output: Format) -> list[str]:
    """Zones and purchase models to be without chips; the end of the command where the environment has no such pool."""
    known = dict.fromkeys(word for bought in deployment.purchases for word in (bought.zone, bought.kind))
    for word in named:
        if word not in known:
            _failed(f"--stockout {word}: no TPU pool of {deployment.name}. There are: {', '.join(known)}.", output, 2)
    return named


def _undos(ids: list[str], deployment: Deployment, output: Format) -> list[Undo]:
    """The undos that were asked for, or their list and the end of the command."""
    if not ids:
        return []
    from rehearsal.undo import UndoError, find_undos

    try:
        if ids != ["list"]:
            return find_undos(ids, deployment)
        _list_undos("", output is Format.JSON)
        raise typer.Exit(0)
    except UndoError as error:
        _list_undos(str(error), output is Format.JSON)
        raise typer.Exit(2) from None


def _list_undos(error: str, as_json: bool) -> None:
    """All undos on standard output; with an error it comes first and everything goes to standard error."""
    from rehearsal.undo import load_undos

    undos = list(load_undos().values())
    if as_json:
        rows = [{"id": u.id, "undoes": u.undoes, "symptom": u.symptom, "look": u.look} for u in undos]
        print_json({**({"error": error} if error else {}), "undos": rows})
        return
    to_error = bool(error)
    if error:
        typer.secho(f"{error} There are:", fg="red", err=True)
    width = shutil.get_terminal_size((100, 24)).columns
    for undo in undos:
        first, *rest = textwrap.wrap(undo.undoes, max(40, width - 8))
        typer.echo(f"  {undo.id}  {first}", err=to_error)
        for line in rest:
            typer.echo(f"        {line}", err=to_error)
    typer.echo("Symptoms: docs/rehearsal.md. All about a rule: python -m serving rules RT01", err=to_error)


def _report(
    console: Console,
    deployment: Deployment,
    path: Path,
    outcome: Outcome,
    undos: list[Undo],
    drain: str | None,
    output: Format,
) -> int:
    """Ask whether it serves, say everything, and give the exit code. A preview has nothing to ask."""
    from rehearsal.report import print_access, print_counts, write_requests

    if output is Format.TEXT:
        print_counts(console, deployment, outcome)
    wrong = bool(undos or outcome.failure)
    verdict = _verdict(console, outcome, wrong=wrong) if outcome.outputs or outcome.failure else None
    drained = None
    if drain is not None and verdict is not None and not verdict.exit_code:
        drained = _drained(console, outcome, drain, output)
        verdict = _verdict(console, outcome, wrong=False)
    if output is Format.JSON:
        document = {
            **_document(outcome),
            "requests": {model: str(script) for model, script in write_requests(outcome)},
            "undone": [undo.id for undo in undos],
            "drain": drained,
            "verify": verdict.as_json() if verdict else None,
        }
        print_json(document)
    elif verdict is not None:
        from serving.checking.render import print_report

        if outcome.outputs:
            print_access(console, deployment, outcome, path)
        print_report(console, verdict)
        _print_undone(console, deployment, outcome, undos)
        _print_drained(console, deployment, drained)
    return int(bool(outcome.failure)) or (verdict.exit_code if verdict else 0)


def _verdict(console: Console, outcome: Outcome, *, wrong: bool) -> Report:
    """Ready is not healthy yet: the load balancer's checks need a moment. What is wrong needs one to get its name."""
    from serving.program.outputs import planned_outputs
    from serving.verify.run import verify

    assert outcome.target is not None
    with outcome.timed("verify"):
        return verify(
            outcome.target.target(planned_outputs),
            wait_seconds=_NAMED_SECONDS if wrong else _HEALTHY_SECONDS,
            until_named=wrong,
            progress=lambda text: console.print(f"  {text}", highlight=False, markup=False),
        )


def _drained(console: Console, outcome: Outcome, model: str, output: Format) -> dict[str, Any]:
    """Upgrade a node of the model while clients ask, or end the command where that can't be done."""
    from rehearsal.drain import DrainError
    from serving.commands.draining import drain_while_asked
    from serving.program.outputs import planned_outputs

    assert outcome.target is not None
    with outcome.timed("drain"):
        try:
            target = outcome.target.target(planned_outputs)
            return drain_while_asked(target, model, lambda text: console.print(f"  {text}", highlight=False))
        except DrainError as error:
            _failed(str(error), output)


def _print_drained(console: Console, deployment: Deployment, drained: dict[str, Any] | None) -> None:
    if drained is None:
        return
    from serving.commands.draining import sentences
    from settings.start import start_seconds

    model = next(model for model in deployment.models if model.name == drained["model"])
    text = "\n".join(sentences(drained, model, start_seconds(model)))
    console.print(f"\n{text}", highlight=False, markup=False, soft_wrap=True)


def _print_undone(console: Console, deployment: Deployment, outcome: Outcome, undos: list[Undo]) -> None:
    """What was taken away, what to look at, and the command that brings it back."""

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    if outcome.failure:
        say(f"\n`up` did not finish: {outcome.failure}")
    for undo in undos:
        say(f"\nFault injected: {undo.id}. {undo.undoes}")
        say(f"  What happens: {undo.symptom}")
        if shutil.which("kubectl"):
            say(f"  Look: KUBECONFIG={outcome.directory.kubeconfig} {undo.look.replace('NS', deployment.namespace)}")
    if undos:
        say(f"To restore it: python -m serving rehearse {deployment.name}")


def down(
    environment: Environment,
    output: FormatOption = Format.TEXT,
) -> None:
    """Destroy a rehearsal and check for leftovers.

    Example:

        python -m serving down dev
    """
    require_packages("cloud", "rehearsal", as_json=output is Format.JSON)

    from cluster.target import rehearsal_folder
    from rehearsal.control_plane import ControlPlaneError
    from rehearsal.directory import DirectoryError, RehearsalDirectory
    from rehearsal.end import LeftoverError, end

    with rejections(output is Format.JSON):
        directory = RehearsalDirectory(rehearsal_folder(environment))
    console = _console(output)
    running = directory.path.exists()
    try:
        notes = end(directory, console) if running else []
    except (ControlPlaneError, DirectoryError, LeftoverError) as error:
        _failed(str(error), output)
    except OSError as error:
        _failed(_of_the_system(error), output)
    if output is Format.JSON:
        print_json({"environment": environment, "wasRunning": running, "notes": notes})
        return
    for note in notes:
        console.print(f"  note: {note}", highlight=False)
    ended = "ended: no object, process, port or file of it is left" if running else "was not running"
    console.print(f"The rehearsal of {environment} {ended}.")


def _of_the_system(error: OSError) -> str:
    """What the file system refused, in words.

    Raises:
        BrokenPipeError: nobody reads what is printed, which is no failure.
    """
    if isinstance(error, BrokenPipeError):
        raise error
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}. A rehearsal needs about 1 GB of disk, and a folder that it may write to."


def _failed(message: str, output: Format, code: int = 1) -> NoReturn:
    as_json = output is Format.JSON
    end_with(message if as_json else f"failed: {message}", as_json, code)


def _document(outcome: Outcome) -> dict[str, Any]:
    from rehearsal.engine.workspace import ordinary_cli

    return {
        "summary": outcome.summary,
        "outputs": outcome.outputs,
        "seconds": {phase: round(seconds, 1) for phase, seconds in outcome.seconds.items()},
        "notes": outcome.notes,
        "failure": outcome.failure or None,
        "kubeconfig": str(outcome.directory.kubeconfig),
        "variables": ordinary_cli(outcome.directory),
    }
