"""`serving drift`: what in the cluster is not as planned, who wrote it, and what the next `pulumi up` does about it."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from serving.commands.options import Environment, require_packages, wrong_calls
from serving.commands.target_options import Kubeconfig, OutputsFile, chosen_target

if TYPE_CHECKING:
    from cluster.target import Target
    from serving.drift.findings import Report
    from serving.drift.planned import Planned


class Format(StrEnum):
    """Output formats."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


def drift(
    environment: Environment,
    outputs: OutputsFile = None,
    kubeconfig: Kubeconfig = None,
    output: Annotated[Format, typer.Option("--format", help="text, json, or markdown (for an issue).")] = Format.TEXT,
) -> None:
    """Compare an environment's plan with what is in the cluster: fields, missing and extra objects, Helm releases.

    Without --outputs it is the running rehearsal of ENV. Nothing is changed. Exit codes: 0 no drift, 1 drift (or nobody
    can say), 2 the call was wrong.

    Examples:

        python -m serving drift dev

        pulumi stack output --json --stack prod > prod.json

        python -m serving drift prod --outputs prod.json --kubeconfig prod.kubeconfig --format markdown
    """
    require_packages("cloud", output is Format.JSON)
    from cluster.target import TargetError

    with wrong_calls(output is Format.JSON, TargetError):
        found = chosen_target(environment, outputs=outputs, kubeconfig=kubeconfig)
        planned = _planned(environment)
    raise typer.Exit(_run(environment, planned, found, output))


def _planned(environment: str) -> Planned:
    """What the environment's file asks for.

    Raises:
        RefusedError: there is no such file, or it is refused.
    """
    from checks.environment import require
    from serving.drift.planned import planned
    from serving.program.record import record
    from settings.document import find_environment, read_document

    document = read_document(find_environment(environment))
    require(document)
    return planned(record(document))


def _run(environment: str, planned: Planned, target: Target, output: Format) -> int:
    """Look, print the report, and give the exit code. Progress goes to standard error."""
    from rich.console import Console

    from serving.drift.run import look
    from serving.drift.show import print_text, render_markdown

    errors = Console(stderr=True, soft_wrap=True)

    def tell(text: str) -> None:
        errors.print(f"  {text}", highlight=False, markup=False)

    report: Report = look(environment, planned, target, tell)
    if output is Format.JSON:
        sys.stdout.write(json.dumps(report.as_json(), indent=2, default=str) + "\n")
    elif output is Format.MARKDOWN:
        sys.stdout.write(render_markdown(report))
    else:
        print_text(Console(), report)
    return report.exit_code
