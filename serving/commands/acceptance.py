"""`serving acceptance`: prove or disprove the program on a real project, and leave a record of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serving.commands.options import Environment, Format, FormatOption, end_with, require_packages, wrong_calls
from serving.commands.target_options import AuthorityFile, Kubeconfig, TokenFile, Url

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster.target import Target
    from serving.acceptance.platform import Platform
    from serving.acceptance.record import Record
    from serving.acceptance.run import Consent
    from serving.acceptance.run_folder import RunFolder
    from serving.acceptance.steps import Steps
    from serving.checking.findings import Report
    from serving.plan.plan import Plan
    from settings.derive import Deployment
    from settings.document import Document

_INTERRUPTED = 130
_REQUEST_SECONDS = 20.0

Yes = Annotated[bool, typer.Option("--yes", help="Agree to the cost and the destroy; needed without a terminal.")]
Keep = Annotated[bool, typer.Option("--keep", help="With --yes: after a failure keep everything, to go on later.")]
Destroy = Annotated[bool, typer.Option("--destroy", help="Only destroy what an earlier call left.")]
OnRehearsal = Annotated[
    bool, typer.Option("--rehearsal", help="On the emulated cloud of the running rehearsal of ENV.")
]
Compare = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="Run nothing: a record's times beside the estimates of today (repeatable)."),
]


def acceptance(
    environment: Environment,
    yes: Yes = False,
    keep: Keep = False,
    destroy: Destroy = False,
    wait: Annotated[str, typer.Option(metavar="TIME", help="How long verify asks again after up.")] = "15m",
    kubeconfig: Kubeconfig = None,
    url: Url = None,
    ca_file: AuthorityFile = None,
    token_file: TokenFile = None,
    rehearsal: OnRehearsal = False,
    compare: Compare = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """Deploy to a real project, verify, destroy; keep a record.

    Steps: preflight, up, verify, a second preview, drift, one value changed and back, destroy, leftovers. It asks before
    it creates anything that costs money. Called again, it resumes where it was interrupted. Exit codes: 0 all passed, 1
    something did not, 2 invalid input or usage, 130 interrupted.

    Examples:

        python -m serving acceptance examples/smallest.yaml

        python -m serving acceptance dev --yes

        python -m serving acceptance dev --url http://localhost:8080

        python -m serving acceptance dev --compare docs/acceptance/RECORD.json
    """
    as_json = output is Format.JSON
    require_packages("cloud", as_json=as_json)
    from serving.plan.build import planned
    from settings.document import find_environment, read_document

    with wrong_calls(as_json):
        if compare and as_json:
            raise ValueError("--compare prints text only")
        path = find_environment(environment)
        document = read_document(path)
        plan = planned(document)
    if compare:
        _compare(plan, compare)
        return
    from cluster.target import TargetError, rehearsal_folder
    from serving.acceptance.run_folder import HOME, RunFolder
    from serving.commands.target_options import options_of
    from settings.text import parse_duration

    home = HOME / ("emulated" if rehearsal else "cloud")
    with wrong_calls(as_json, TargetError, *_errors()):
        seconds, answers = parse_duration(wait), _answers(yes=yes, keep=keep, destroy=destroy)
        with_options = options_of(kubeconfig=kubeconfig, url=url, ca_file=ca_file, token_file=token_file)
        kept = RunFolder(rehearsal_folder(environment, home))
        platform = _platform(environment, path, document.name, kept.folder, kubeconfig, rehearsal=rehearsal)
        with kept.locked():
            steps = _steps(plan, document, platform, kept.folder, with_options, seconds)
            record, interrupted = _run(steps, kept, answers, document)
    _print(record, kept, as_json=as_json)
    raise typer.Exit(_INTERRUPTED if interrupted else int(record.ended is None or record.failed))


def _errors() -> tuple[type[Exception], ...]:
    from serving.acceptance.pulumi_cli import PulumiError
    from serving.acceptance.run import RefusedRunError
    from serving.acceptance.run_folder import RunFolderError

    return PulumiError, RunFolderError, RefusedRunError


def _print(record: Record, kept: RunFolder, *, as_json: bool) -> None:
    for file in kept.files(record):
        typer.echo(f"Record: {file}", err=as_json)
    typer.echo(record.to_json() if as_json else record.verdict, nl=not as_json)


def _answers(*, yes: bool, keep: bool, destroy: bool) -> Consent:
    """How consent is given. It is never read from what is no terminal.

    Raises:
        ValueError: nobody can be asked.
    """
    from serving.acceptance.run import Consent

    if keep and destroy:
        raise ValueError("--destroy and --keep exclude each other.")
    if keep and not yes:
        raise ValueError("--keep is for --yes; without it the command asks.")
    if not yes and not sys.stdin.isatty():
        does = "--destroy destroys what an earlier call left." if destroy else "An acceptance run costs money."
        raise ValueError(f"{does} Where there is no terminal to ask at, agree with --yes.")
    return Consent(_agree, yes, keep, destroy)


def _agree(question: str) -> bool:
    try:
        return input(f"{question}: ").strip().lower() == "yes"
    except (EOFError, KeyboardInterrupt):
        return False


def _platform(
    environment: str, path: Path, stack: str, folder: Path, kubeconfig: Path | None, *, rehearsal: bool
) -> Platform:
    from cluster.target import TargetError, read_target, rehearsal_folder
    from serving.acceptance.platform import cloud, emulated

    if not rehearsal:
        return cloud(environment, path, folder, kubeconfig)
    running = read_target(rehearsal_folder(environment))
    if running is None:
        start = f"python -m serving rehearse {environment} --preview"
        raise TargetError(f"No rehearsal of {environment} is running. Start one with nothing deployed: {start}")
    return emulated(running, stack)


def _steps(
    plan: Plan,
    document: Document,
    platform: Platform,
    folder: Path,
    with_options: Callable[[Target], Target],
    wait_seconds: float,
) -> Steps:
    from serving.acceptance.pulumi_cli import PulumiCli
    from serving.acceptance.redact import redactor
    from serving.acceptance.steps import Steps
    from serving.commands.reporting import progress

    say, deployment = progress(), plan.deployment
    return Steps(
        plan=plan,
        platform=platform,
        pulumi=PulumiCli(platform, plan.deployment.name, folder, say),
        folder=folder,
        redact=redactor(plan.deployment, document.data, plan.objects()),
        preflight=None if platform.emulated else lambda: _preflight(deployment),
        leftovers=None if platform.emulated else lambda: _left(deployment),
        say=say,
        with_options=with_options,
        wait_seconds=wait_seconds,
    )


def _preflight(deployment: Deployment) -> Report:
    from serving.commands.preflight import context
    from serving.preflight.run import preflight

    return preflight(context(deployment, _REQUEST_SECONDS))


def _left(deployment: Deployment) -> list[tuple[str, str]]:
    """Kind and place of what `serving leftovers` lists; a cluster that still lives is left as well."""
    from serving.commands.leftovers import google
    from serving.leftovers.find import ClusterLivesError, find

    try:
        found = find(google(deployment), deployment)
    except ClusterLivesError as error:
        return [("cluster", str(error))]
    return [(item.kind.title, f"{item.name} in {item.place}") for item in found.leftovers]


def _run(steps: Steps, kept: RunFolder, answers: Consent, document: Document) -> tuple[Record, bool]:
    """One call, with an end from outside taken like an interrupt."""
    import hashlib
    import json
    import signal

    from serving.acceptance.new_record import new_record
    from serving.acceptance.run import Acceptance

    def ended(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, ended)
    try:
        _say_what_comes(steps, destroy=answers.destroy)
        cli = steps.pulumi.version()
        run = Acceptance(
            steps,
            kept,
            answers,
            # Of the settings alone: `pulumi stack init` writes its key into the file.
            hashlib.sha256(json.dumps(document.data, sort_keys=True, default=str).encode()).hexdigest(),
            lambda: new_record(
                steps.plan,
                emulated=steps.platform.emulated,
                consent="--yes" if answers.yes else "typed",
                cli=cli,
            ),
        )
        return run.run(), run.interrupted
    finally:
        signal.signal(signal.SIGTERM, before)


def _say_what_comes(steps: Steps, *, destroy: bool) -> None:
    from serving.acceptance.estimates import up_seconds
    from settings.text import duration

    plan, cost = steps.plan, steps.plan.cost
    if destroy:
        steps.say(
            f"Destroying what an earlier acceptance run of {plan.deployment.name} left on {steps.platform.where}."
        )
        return
    about, slowest = map(duration, up_seconds(plan))
    complete = all(item.unit_price is not None for item in cost.items)
    total = f"{cost.per_hour:.2f} {cost.currency} an hour" if complete else "total unknown, a price is missing"
    steps.say(f"Acceptance of {plan.deployment.name} on {steps.platform.where}.")
    steps.say(f"Cost: {total} (list prices of {cost.prices_as_of}), from up until destroy has ended.")
    steps.say(f"Time: about {about} for up alone, up to {slowest}.")
    steps.say("Everything that it creates is destroyed at the end.")


def _compare(plan: Plan, files: list[Path]) -> None:
    from serving.acceptance.compare import compare
    from serving.acceptance.record import RecordError, read_record

    for file in files:
        try:
            record = read_record(file)
        except RecordError as error:
            end_with(str(error), False)
        for line in compare(plan, record):
            typer.echo(line)
