"""`serving leftovers`: what GKE and this program left in an environment's network, and its deletion."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from serving.commands.options import Environment, Format, FormatOption, load, print_json, require_packages, wrong_calls
from serving.commands.reporting import progress

if TYPE_CHECKING:
    from cluster.errors import CannotAskError
    from serving.google.client import GoogleClient
    from serving.leftovers.find import SearchResult
    from serving.leftovers.kinds import Leftover
    from settings.derive import Deployment

# What one request may take, seconds.
_SECONDS = 20.0
# Between two looks at a deletion.
pause = time.sleep


def leftovers(
    environment: Environment,
    delete: Annotated[bool, typer.Option("--delete", help="Delete what is left, after asking.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --delete: do not ask.")] = False,
    output: FormatOption = Format.TEXT,
) -> None:
    """List, and delete, what `pulumi destroy` left in the network.

    Firewall rules, network endpoint groups and load balancer parts that GKE made can outlive the cluster and keep the
    network from being deleted. Run `pulumi destroy` first; it deletes what it knows. Nothing is deleted while a cluster
    lives in the network, nor in a network that the program did not make: the gcloud commands are printed instead. Disks
    of claims are only listed. It asks with application default credentials; `preflight` checks them.

    Exit codes: 0 nothing is left, 1 something is left (or nobody can say), 2 the call was wrong.

    Examples:

        python -m serving leftovers dev

        python -m serving leftovers dev --delete

        python -m serving leftovers dev --delete --yes --format json
    """
    as_json = output is Format.JSON
    require_packages("cloud", as_json=as_json)
    with wrong_calls(as_json):
        if yes and not delete:
            raise ValueError("--yes goes with --delete")
        if delete and not yes and (as_json or not can_answer()):
            raise ValueError("--delete asks for confirmation, and there is no terminal to ask at; add --yes")
        deployment = load(environment)
    from cluster.errors import CannotAskError
    from serving.leftovers.find import ClusterLivesError, find

    client, say = google(deployment), progress()
    say(f"asking what is left of network {deployment.network_name} in project {deployment.network_project}")
    try:
        found = find(client, deployment)
    except ClusterLivesError as error:
        _end(deployment, None, None, f"not destroyed: {error} Run pulumi destroy first.", as_json)
    except CannotAskError as error:
        _could_not_ask(deployment, error, as_json)
    if not as_json:
        _print(found)
    if not delete or found.refused or not found.deletable:
        _end(deployment, found, None, f"{len(found.leftovers) or 'nothing is'} left", as_json)
    if not yes and not typer.confirm(f"Delete these {len(found.deletable)}?"):
        _end(deployment, found, None, "nothing was deleted", as_json)
    from serving.leftovers.delete import delete as delete_all

    left = delete_all(client, found.deletable, say, pause)
    _end(deployment, found, left, _done(found, left), as_json)


def can_answer() -> bool:
    """Whether a person is there to ask."""
    return sys.stdin.isatty()


def google(deployment: Deployment) -> GoogleClient:
    """Google with the credentials of this shell."""
    from serving.google.client import default_client

    return default_client(deployment.settings.project.id, _SECONDS)


def _print(found: SearchResult) -> None:
    from serving.leftovers.report import lines

    for line in lines(found):
        typer.echo(line)


def _done(found: SearchResult, left: dict[Leftover, str]) -> str:
    stays = [item for item in found.leftovers if item not in found.deletable]
    deleted = len(found.deletable) - len(left)
    if not left and not stays:
        return f"nothing is left: {deleted} deleted"
    return f"{len(left) + len(stays)} left, {deleted} deleted"


def _end(
    deployment: Deployment, found: SearchResult | None, left: dict[Leftover, str] | None, verdict: str, as_json: bool
) -> NoReturn:
    """Print the verdict, as the last line or in the document, and end: with 0 where nothing is left."""
    if as_json:
        from serving.leftovers.report import as_json as document

        print_json(document(deployment, found, left, verdict))
    else:
        for item, why in (left or {}).items():
            typer.secho(f"not deleted: {item.kind.title} {item.name}: {why}", fg="red", err=True)
        if left:
            typer.echo("Runbook: docs/runbook/up-refresh-destroy.md#resource-in-use", err=True)
        typer.echo(verdict)
    raise typer.Exit(int(not verdict.startswith("nothing is left")))


def _could_not_ask(deployment: Deployment, error: CannotAskError, as_json: bool) -> NoReturn:
    from serving.checking.failures import find_failure

    known = find_failure(error.failure)
    if not as_json:
        for line in (
            error.message,
            f"Cause: {known.why}",
            *([error.fix] if error.fix else []),
            f"Runbook: {known.anchor}",
        ):
            typer.echo(line, err=True)
    # People have read the message already; a machine has the verdict only.
    _end(deployment, None, None, f"not known: {error.failure}{f': {error.message}' if as_json else ''}", as_json)
