"""The report for people: a table of the checks, everything about what is not a pass, and the verdict last."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from serving.checking.show import heading, named
from serving.checking.verdict import Verdict
from serving.preflight.results import Check, Outcome, Report, Result
from serving.refused import labelled

_WIDEST = 100


def print_report(console: Console, report: Report) -> None:
    """Fitted to the terminal, at most 100 columns; a command to paste stays on one line."""
    console.width = width = min(console.width, _WIDEST)
    console.print(f"{report.environment}: project {report.project}", highlight=False, markup=False, soft_wrap=True)
    console.print(_table(report))
    for result, checks in report.not_passed.items():
        console.print(heading(result, checks), highlight=False)
        for line in _lines(result, checks, width):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    colour = "red" if report.exit_code else "green" if report.ready else "magenta"
    console.print(f"\n[bold {colour}]{escape(report.line)}[/]", highlight=False, soft_wrap=True)


def _table(report: Report) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("check", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("found")
    for outcome in report.outcomes:
        verdict = outcome.verdict
        table.add_row(outcome.check.name, f"[{verdict.colour}]{verdict.words}[/]", escape(_found(outcome)))
    return table


def _found(outcome: Outcome) -> str:
    """The failure's name, or what was found."""
    return named(outcome) or "; ".join(dict.fromkeys(result.found for result in outcome.results))


def _lines(result: Result, checks: list[Check], width: int) -> Iterator[str]:
    known = result.known
    if result.needed:
        yield from labelled("Needed:", result.needed, width)
    if result.found:
        yield from labelled("Found:", result.found, width)
    if known is not None:
        yield from labelled("Cause:", known.why, width)
    if result.fix:
        first, *pasted = result.fix.split("\n")
        yield from labelled("Fix:", first, width, pasted)
    if result.verdict is not Verdict.UNKNOWN:
        for expectation in dict.fromkeys(check.expectation for check in checks):
            yield from labelled("Source:", expectation.source, width)
            if expectation.unverified:
                yield from labelled("Unsure:", expectation.unverified, width)
    if known is not None:
        yield from labelled("Runbook:", known.anchor, width)
