"""`serving rehearse` and `serving down`: for now the plan, and in words what the rehearsal does not do yet."""

from __future__ import annotations

from typing import Annotated

import typer

from serving.commands.plan import Format, plan

_MISSING = (
    "There is no local control plane yet: nothing was started, and no model answers. What you see above is the real\n"
    "program run in process, offline; it is what `pulumi up` would create."
)


def rehearse(
    environment: Annotated[str, typer.Argument(metavar="ENV", help="Name of an environment, or path of its file.")],
) -> None:
    """Plan an environment; running it on a local control plane is not there yet.

    Example:

        python -m serving rehearse dev
    """
    plan(environment, Format.TEXT)
    typer.echo()
    typer.secho("Rehearsal: planned only.", bold=True)
    typer.echo(_MISSING)


def down(
    environment: Annotated[str, typer.Argument(metavar="ENV", help="Name of an environment, or path of its file.")],
) -> None:
    """End a rehearsal. As none can be started yet, there is nothing to end.

    Example:

        python -m serving down dev
    """
    typer.echo(f"Nothing of {environment} is running: a rehearsal only plans so far.")
