"""The report for people: the verdict, a table of the checks, and everything about what is wrong."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from serving.checking.show import heading, named
from serving.verify.results import Outcome, Report, Result


def print_report(console: Console, report: Report) -> None:
    """The table, then what is not as it should be, then the verdict: the last line is the answer."""
    console.print(f"Looked at: {report.where}", highlight=False, markup=False, soft_wrap=True)
    console.print(_table(report))
    for result, checks in report.not_passed.items():
        console.print(heading(result, checks), highlight=False, soft_wrap=True)
        _print_reason(console, result)
    colour = "green" if report.serves else "red"
    console.print(f"\n[bold {colour}]{escape(report.line)}[/]", highlight=False, soft_wrap=True)


def _table(report: Report) -> Table:
    table = Table("check", "verdict", "seconds", "seen", box=None, pad_edge=False)
    for outcome in report.outcomes:
        verdict = outcome.verdict
        word = f"[{verdict.colour}]{verdict.words}[/]"
        table.add_row(outcome.check.name, word, f"{outcome.seconds:.1f}", escape(_seen(outcome)))
    return table


def _seen(outcome: Outcome) -> str:
    """The failure's name, or what the objects say."""
    count = len(outcome.results)
    return named(outcome) or (outcome.worst.message if count == 1 else f"{count} objects")


def _print_reason(console: Console, result: Result) -> None:
    known = result.known
    lines = [result.message]
    if known is not None:
        rules = f" (rules {', '.join(known.rules)})" if known.rules else ""
        lines += [f"Likely cause: {known.why}{rules}", f"Runbook: {known.anchor}"]
    for line in lines:
        console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)
