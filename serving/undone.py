"""What is said of undone fixes: the list of them, and after a run what to look at and how to bring them back."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from rehearsal.run import Outcome
    from rehearsal.undo import Undo
    from settings.derive import Deployment


def list_undos(error: str, as_json: bool) -> None:
    """All undos on standard output; with an error it comes first and everything goes to standard error."""
    from rehearsal.undo import load_undos

    undos = list(load_undos().values())
    if as_json:
        rows = [{"id": u.id, "undoes": u.undoes, "symptom": u.symptom, "look": u.look} for u in undos]
        sys.stdout.write(json.dumps({**({"error": error} if error else {}), "undos": rows}, indent=2) + "\n")
        return
    to_error = bool(error)
    if error:
        typer.secho(f"{error} There are:", fg="red", err=True)
    width = shutil.get_terminal_size((100, 24)).columns
    for undo in undos:
        issues = undo.rule.field_issues
        named = f" (field issue{'s' if len(issues) > 1 else ''} {', '.join(map(str, issues))})" if issues else ""
        text = undo.undoes + named
        first, *rest = textwrap.wrap(text, max(40, width - 8))
        typer.echo(f"  {undo.id}  {first}", err=to_error)
        for line in rest:
            typer.echo(f"        {line}", err=to_error)
    typer.echo(
        "What is to be seen then: docs/rehearsal.md. All about a rule: python -m serving rules RT01", err=to_error
    )


def print_undone(console: Console, deployment: Deployment, outcome: Outcome, undos: list[Undo]) -> None:
    """What was taken away, what to look at, and the command that brings it back."""

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    if outcome.failure:
        say(f"\n`up` did not come to its end: {outcome.failure}")
    for undo in undos:
        say(f"\nUndone: {undo.id}. {undo.undoes}")
        say(f"  What happens: {undo.symptom}")
        say(f"  Look: KUBECONFIG={outcome.directory.kubeconfig} {undo.look.replace('NS', deployment.namespace)}")
    if undos:
        say(f"To bring it back: python -m serving rehearse {deployment.name}")
