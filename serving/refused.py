"""Printing refusals and warnings; plain text or JSON, no traceback."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

import typer

from settings.refusal import Finding, refusals, render_path, warnings


def print_findings(findings: list[Finding], origin: str, as_json: bool) -> None:
    """Refusals as JSON on standard output, or in words on standard error."""
    refused = refusals(findings)
    if as_json:
        data: dict[str, Any] = {
            "environment": None,
            "warnings": [{k: f.as_json()[k] for k in ("rule", "path", "message")} for f in warnings(findings)],
            "refusals": [f.as_json() for f in refused],
        }
        sys.stdout.write(json.dumps(data, indent=2, default=str) + "\n")
        return
    count = f"{len(refused)} reason" + ("s" if len(refused) != 1 else "")
    typer.secho(f"Refused, nothing was created: {origin} ({count})", fg="red", bold=True, err=True)
    for line in describe(refused):
        typer.echo(line, err=True)


def describe(findings: Iterable[Finding]) -> Iterable[str]:
    """Each finding in three or four lines."""
    for f in findings:
        where = f"line {f.line}: " if f.line else ""
        value = "" if f.value is None else f" = {_short(f.value)}"
        yield ""
        yield f"  {typer.style(f.rule, bold=True)}  {where}{render_path(f.path)}{value}"
        yield f"        {f.message}"
        yield f"        Fix: {f.fix}"
        if f.source:
            yield f"        Source: {f.source}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
