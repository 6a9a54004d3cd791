"""`serving drift`: what in the cluster is not as planned, who wrote it, and what the next `pulumi up` does about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from serving.commands.options import Environment, require_packages, wrong_calls
from serving.commands.reporting import ReportFormat, ReportFormatOption, progress, write_report
from serving.commands.target_options import Kubeconfig, OutputsFile, chosen_target

if TYPE_CHECKING:
    from serving.drift.planned import Planned


def drift(
    environment: Environment,
    outputs: OutputsFile = None,
    kubeconfig: Kubeconfig = None,
    output: ReportFormatOption = ReportFormat.TEXT,
) -> None:
    """Compare the cluster with the plan; changes nothing.

    It compares fields, missing and extra objects, and Helm releases. Without --outputs it is the running rehearsal of ENV. Exit codes: 0 no drift, 1 drift (or nobody
    can say), 2 invalid input or usage.

    Examples:

        python -m serving drift dev

        pulumi stack output --json --stack prod > prod.json

        python -m serving drift prod --outputs prod.json --kubeconfig prod.kubeconfig --format markdown
    """
    require_packages("cloud", as_json=output is ReportFormat.JSON)
    from cluster.target import TargetError

    with wrong_calls(output is ReportFormat.JSON, TargetError):
        found = chosen_target(environment, outputs=outputs, kubeconfig=kubeconfig)
        planned = _planned(environment)
    from serving.drift.run import find_drift

    raise typer.Exit(write_report(find_drift(found.outputs.environment, planned, found, progress()), output))


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
