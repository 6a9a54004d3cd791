"""Printing refusals and warnings; plain text or JSON, no traceback."""

from __future__ import annotations

import json
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

import typer

from settings.refusal import Finding, explain, refusals, render_path, warnings
from settings.text import count

_NARROWEST, _WIDEST = 60, 100
_INDENT = 8
_SHELL = re.compile(r" *(gcloud|kubectl|pulumi|--)")
_QUOTED = re.compile(r"'[^']* [^']*'|\"[^\"]* [^\"]*\"")
_LABEL = 9  # as wide as "Runbook: "


def print_findings(findings: list[Finding], origin: str, as_json: bool) -> None:
    """Refusals as JSON on standard output, or in words on standard error; what is only warned about stands below."""
    findings = [explain(finding) for finding in findings]
    refused, warned = refusals(findings), warnings(findings)
    if as_json:
        data: dict[str, Any] = {
            "environment": None,
            "warnings": [{"rule": f.rule, "path": render_path(f.path), "message": f.said} for f in warned],
            "refusals": [f.as_json() for f in refused],
        }
        sys.stdout.write(json.dumps(data, indent=2, default=str) + "\n")
        return
    width = text_width()
    typer.secho(f"Invalid environment file ({count(len(refused), 'error')}): {origin}", fg="red", bold=True, err=True)
    for line in describe(refused, width):
        typer.echo(line, err=True)
    if warned:
        typer.secho("\nWarnings:", bold=True, err=True)
        for line in describe(warned, width):
            typer.echo(line, err=True)
    rule = refused[0].rule if refused else "GW01"
    typer.echo(f"\nAll about a rule: python -m serving rules {rule}", err=True)


def text_width() -> int:
    """Columns of the terminal that text fills: 60 to 100."""
    return max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size((80, 24)).columns))


def describe(findings: Iterable[Finding], width: int = _WIDEST) -> Iterator[str]:
    """Each finding: rule, place and value; what is wrong and what happens otherwise; what to write."""
    for f in findings:
        where = f"line {f.line}: " if f.line else ""
        value = "" if f.value is None else f" = {_short(f.value)}"
        yield ""
        first, *rest = _wrap(f"{where}{render_path(f.path)}{value}", width - _INDENT)
        yield f"  {typer.style(f.rule, bold=True)}  {first}"
        for line in (*rest, *_wrap(f.said, width - _INDENT)):
            yield " " * _INDENT + line
        sentence, *pasted = f.fix.split("\n")
        yield from labelled("Fix:", sentence, width, pasted)


def labelled(label: str, text: str, width: int, pasted: Iterable[str] = ()) -> Iterator[str]:
    """A word before wrapped text; lines to paste stand below, as they are."""
    margin = " " * (_INDENT + _LABEL)
    for index, line in enumerate(_wrap(text, width - len(margin))):
        yield " " * _INDENT + label.ljust(_LABEL) + line if index == 0 else margin + line
    for line in pasted:
        yield from (margin + part for part in _folded(line, width - len(margin)))


def _folded(line: str, width: int) -> list[str]:
    """A shell command over as many lines as it needs, each but the last with the sign that it goes on; else the line as it is."""
    if len(line) <= width or _SHELL.match(line) is None or _QUOTED.search(line):
        return [line]
    goes_on = " \\"
    indent = " " * (len(line) - len(line.lstrip()))
    first, *rest = _wrap(line.strip().removesuffix(goes_on), width - len(indent) - 4)
    end = goes_on if line.endswith(goes_on) else ""
    parts = [indent + first, *(f"{indent}  {part}" for part in rest)]
    return [*(part + goes_on for part in parts[:-1]), parts[-1] + end]


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:57] + "..."
