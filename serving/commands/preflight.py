"""`serving preflight`: whether Google's side is ready, asked before anything is created or paid for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from serving.commands.options import Environment, load, require_packages, wrong_calls
from serving.commands.reporting import ReportFormat, ReportFormatOption, progress, write_report

if TYPE_CHECKING:
    from serving.preflight.context import Context
    from settings.derive import Deployment


def preflight(
    environment: Environment,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit code 1 also where something could not be asked.")
    ] = False,
    timeout: Annotated[str, typer.Option(metavar="TIME", help="Timeout of one request.")] = "20s",
    output: ReportFormatOption = ReportFormat.TEXT,
) -> None:
    """Find blockers for `up` on Google's side; changes nothing.

    It asks for APIs, quota, machine types, names, address ranges and permissions. It needs application default credentials (gcloud auth application-default login, or a service account) and no
    gcloud. HF_TOKEN is used for gated models where it is set. Exit codes: 0 nothing failed, 1 something failed (with
    --strict also: could not be asked; warnings never count), 2 invalid input or usage.

    Examples:

        python -m serving preflight dev

        python -m serving preflight prod --strict --format json
    """
    require_packages("cloud", as_json=output is ReportFormat.JSON)
    from settings.text import parse_duration

    with wrong_calls(output is ReportFormat.JSON):
        seconds = parse_duration(timeout)
        if seconds <= 0:
            raise ValueError("--timeout must be more than 0")
        deployment = load(environment)
    from serving.preflight.run import preflight as ask

    report = ask(context(deployment, seconds), strict=strict, progress=progress())
    raise typer.Exit(write_report(report, output))


def context(deployment: Deployment, seconds: float) -> Context:
    """Google with the credentials of this shell, and the Hub with its token."""
    from serving.google.client import default_client
    from serving.preflight.context import Context
    from serving.preflight.dns import PublicDns
    from serving.preflight.hub import Hub

    google = default_client(deployment.settings.project.id, seconds)
    return Context(deployment, google, Hub.of_environment(seconds), PublicDns(seconds))
