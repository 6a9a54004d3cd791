"""`python -m policy FILE`: what the rules say of a stack that is there already."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from settings.refusal import Finding

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


class Format(StrEnum):
    """Output formats."""

    TEXT = "text"
    JSON = "json"


@app.command()
def judge(
    state: Annotated[
        str, typer.Argument(metavar="FILE", help="What `pulumi stack export` wrote, or - for standard input.")
    ],
    environment: Annotated[
        str | None,
        typer.Option(
            "--environment", metavar="ENV", help="The environment it was made from: its overrides and limits count."
        ),
    ] = None,
    output: Annotated[Format, typer.Option("--format", help="text or json.")] = Format.TEXT,
) -> None:
    """Say which resources of an exported stack break a rule. Needs neither Pulumi, nor network, nor credentials.

    Exit codes: 0 nothing is rejected, 1 something is, 2 the call or the file was wrong.

    Examples:

        pulumi stack export --file state.json && python -m policy state.json

        pulumi stack export | python -m policy - --environment prod --format json
    """
    from checks.environment import require
    from checks.objects import Context, context_of, on_stack
    from policy.state import StateError, read_state
    from settings.document import find_environment, read_document
    from settings.refusal import RefusedError, refusals

    try:
        resources = read_state(sys.stdin.read() if state == "-" else Path(state).read_text(encoding="utf-8"))
        context = Context()
        if environment is not None:
            context = context_of(require(read_document(find_environment(environment)))[0])
    except (OSError, UnicodeDecodeError, StateError, RefusedError) as error:
        typer.echo(f"{state}: {error}", err=True)
        raise typer.Exit(2) from None
    findings = on_stack(resources, context)
    show = _as_json if output is Format.JSON else _as_text
    sys.stdout.write(show(findings, len(resources)))
    raise typer.Exit(1 if refusals(findings) else 0)


def _as_json(findings: list[Finding], count: int) -> str:
    data = {
        "resources": count,
        "refusals": [f.as_json() for f in findings if not f.warning],
        "warnings": [f.as_json() for f in findings if f.warning],
    }
    return json.dumps(data, indent=2, default=str) + "\n"


def _as_text(findings: list[Finding], count: int) -> str:
    from settings.refusal import render_path

    lines: list[str] = []
    for f in findings:
        level = "Warning" if f.warning else "Rejected"
        lines += [f"{level} {f.rule}  {render_path(f.path)}", f"    {f.said}", f"    Fix: {f.fix}"]
    refused = sum(not f.warning for f in findings)
    return "\n".join([*lines, f"{count} resources: {refused} rejected, {len(findings) - refused} warnings"]) + "\n"


def main() -> None:
    """Entry point; it ends as `serving` does."""
    from settings.ending import run

    run(lambda: app(prog_name="python -m policy"))
