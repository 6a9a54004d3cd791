"""`serving verify`: whether an environment serves, and if not, which object says what and what to do."""

from __future__ import annotations

from typing import Annotated

import typer

from serving.commands.options import Environment, require_packages, wrong_calls
from serving.commands.reporting import ReportFormat, ReportFormatOption, progress, write_report
from serving.commands.target_options import (
    AuthorityFile,
    ClientCertificate,
    Kubeconfig,
    OutputsFile,
    TokenFile,
    Url,
    chosen_target,
)


def verify(
    environment: Environment,
    quick: Annotated[bool, typer.Option("--quick", help="Configuration and conditions only; no request.")] = False,
    wait: Annotated[
        str, typer.Option(metavar="TIME", help="Retry until it passes, for at most 90s, 40m, 1h30m.")
    ] = "0",
    timeout: Annotated[str, typer.Option(metavar="TIME", help="Timeout of one request.")] = "60s",
    outputs: OutputsFile = None,
    kubeconfig: Kubeconfig = None,
    url: Url = None,
    ca_file: AuthorityFile = None,
    token_file: TokenFile = None,
    client_certificate: ClientCertificate = None,
    output: ReportFormatOption = ReportFormat.TEXT,
) -> None:
    """Check whether an environment serves: pass or fail.

    It checks conditions, policies and backends, and sends requests as a client does. Without --outputs it is the running rehearsal of ENV. Exit codes: 0 it serves, 1 it does not (or nobody can say),
    2 invalid input or usage.

    Examples:

        python -m serving verify dev

        python -m serving verify dev --quick --format json

        pulumi stack output --json --stack prod > prod.json

        python -m serving verify prod --outputs prod.json --kubeconfig prod.kubeconfig --wait 40m
    """
    require_packages("cloud", as_json=output is ReportFormat.JSON)
    from cluster.target import TargetError
    from settings.text import parse_duration

    with wrong_calls(output is ReportFormat.JSON, TargetError):
        wait_seconds, request_seconds = parse_duration(wait), parse_duration(timeout)
        if request_seconds <= 0:
            raise ValueError("--timeout must be more than 0")
        found = chosen_target(
            environment,
            outputs=outputs,
            kubeconfig=kubeconfig,
            url=url,
            ca_file=ca_file,
            token_file=token_file,
            client_certificate=client_certificate,
        )
    from serving.verify.run import verify as ask

    report = ask(found, quick=quick, wait_seconds=wait_seconds, request_seconds=request_seconds, progress=progress())
    raise typer.Exit(write_report(report, output))
