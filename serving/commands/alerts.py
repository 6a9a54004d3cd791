"""`serving alerts`: what fires in a rehearsal, where to look on the cloud, and the dashboard's panels for Grafana."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from serving.commands.options import Environment, Format, FormatOption, load, print_json, wrong_calls
from serving.commands.target_options import OutputsFile

if TYPE_CHECKING:
    from settings.derive import Deployment


def alerts(
    environment: Environment,
    outputs: OutputsFile = None,
    grafana: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the dashboard for Grafana to FILE, and ask nothing.")
    ] = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """List the alerts that fire.

    In a rehearsal with a Prometheus (rehearse ENV --metrics) the expressions of the alert policies are evaluated there. On
    the cloud (--outputs) Cloud Monitoring evaluates them; the page and the command to look with are printed.

    Exit codes: 0 nothing fires, 1 something fires (or nobody can say, as on the cloud), 2 invalid input or usage.

    Examples:

        python -m serving alerts dev

        python -m serving alerts prod --outputs prod.json

        python -m serving alerts prod --grafana panels.json
    """
    as_json = output is Format.JSON
    from cluster.target import TargetError

    with wrong_calls(as_json, TargetError, OSError):
        deployment = load(environment)
        if grafana is not None:
            _write(deployment, grafana)
            raise typer.Exit
        if outputs is not None:
            from cluster.target import cloud_target

            cloud_target(environment, outputs)
            _point(deployment, as_json)
        url = _prometheus(environment)
    _ask(deployment, url, as_json)


def _write(deployment: Deployment, path: Path) -> None:
    from manifests.alerts.dashboards import grafana_dashboard

    path.write_text(json.dumps(grafana_dashboard(deployment), indent=2) + "\n", encoding="utf-8")
    typer.echo(f"written: {path}", err=True)


def _point(deployment: Deployment, as_json: bool) -> NoReturn:
    from manifests.alerts.alerts import alerts as declared
    from serving.alerts.report import on_the_cloud

    found = on_the_cloud(deployment, declared(deployment))
    if as_json:
        print_json(found)
    else:
        typer.echo(f"{deployment.name}: {found['where']} evaluates {len(found['notAsked'])} alerts")
        typer.echo(f"Incidents: {found['incidents']}")
        typer.echo(f"Policies (their names begin with {deployment.name}):\n  {found['policies']}")
        typer.echo(found["verdict"])
    raise typer.Exit(1)


def _prometheus(environment: str) -> str:
    """Where the rehearsal's Prometheus is.

    Raises:
        TargetError: no such rehearsal runs, or it has none.
    """
    from cluster.target import TargetError, find_rehearsal
    from serving.program.outputs import planned_outputs

    url = find_rehearsal(environment, planned_outputs).prometheus
    if url is None:
        raise TargetError(
            f"The rehearsal of {environment} has no Prometheus. Start one: python -m serving rehearse {environment} --metrics"
        )
    return url


def _ask(deployment: Deployment, url: str, as_json: bool) -> NoReturn:
    from manifests.alerts.alerts import alerts as declared
    from serving.alerts.prometheus import PrometheusError, evaluate
    from serving.alerts.report import document, lines

    asked, where = declared(deployment), f"rehearsal, Prometheus at {url}"
    try:
        held = evaluate(url, (alert for alert in asked if not alert.of_google), time.time())
    except PrometheusError as error:
        if as_json:
            print_json({"environment": deployment.name, "where": where, "verdict": f"not known: {error}"})
        else:
            typer.secho(f"not known: {error}", fg="red", err=True)
        raise typer.Exit(1) from None
    if as_json:
        print_json(document(deployment, where, asked, held))
    else:
        for line in lines(deployment, where, asked, held):
            typer.echo(line)
    raise typer.Exit(int(any(one.state == "firing" for one in held)))
