"""A run for people: progress while it goes on, and the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from serving.bench.compare import Comparison
from serving.bench.events import Event
from serving.bench.measure import PERCENTILES, Step, Window, step
from serving.bench.run_file import asked_of, window_of
from serving.bench.summary import Summary
from serving.bench.verdict import Kind
from settings.text import count

if TYPE_CHECKING:
    from rich.status import Status

    from serving.bench.measure import RequestTiming
    from serving.bench.run import FinishedRun

_COLOURS = {Kind.SATURATED: "green", Kind.NOT_SATURATED: "yellow", Kind.GENERATOR: "yellow", Kind.FAILING: "red"}


class Progress:
    """One line that changes on a terminal, and one that stays for every step."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = console.status("") if console.is_terminal else None
        self._requests: list[RequestTiming] = []

    def __call__(self, event: Event) -> None:
        """Take an event."""
        match event["kind"]:
            case "request":
                self._requests.append(asked_of(event))
            case "step-begins":
                self._say(f"{event['level']} at once: until it is steady ...")
            case "window-begins":
                self._say(f"{event['level']} at once: measuring ...")
            case "window-ends":
                self._say(f"{event['level']} at once: waiting for the last answers ...")
            case "step":
                self._line(window_of(event))
            case "end":
                self.stop()

    def stop(self) -> None:
        """The changing line goes."""
        if self._status is not None:
            self._status.stop()

    def _say(self, text: str) -> None:
        if self._status is not None:
            self._status.update(text)
            self._status.start()

    def _line(self, window: Window) -> None:
        found = step(window, self._requests)
        self._requests = [asked for asked in self._requests if asked.end > window.begin]
        # An answer of numbers comes whole.
        came = f"first token {_half(found.first_token)}" if found.first_token else f"latency {_half(found.latency)}"
        text = f"{found.level:>4} at once: {found.tokens_per_second:,.0f} tokens/s, {came}"
        failed = f", {sum(found.errors.values())} failed" if found.errors else ""
        self._console.print(f"  {text}, {found.requests} requests{failed}", highlight=False, markup=False)


def print_report(console: Console, done: FinishedRun) -> None:
    """The table, what there is to know besides, the files, the verdict: the last line is the answer."""
    summary, comparison = done.summary, done.comparison
    run = summary.run
    asked = f"Asked: {run.workload.model} at {run.url} ({run.where})"
    console.print(asked, highlight=False, markup=False, soft_wrap=True)
    if summary.best is not None:
        console.print(_table(summary))
        console.print(_cost(summary, summary.best), highlight=False, markup=False, soft_wrap=True)
    for start in run.starts:
        console.print(f"start {start['text']}", highlight=False, markup=False, soft_wrap=True)
    for caveat in summary.caveats:
        console.print(f"[yellow]note[/] {escape(caveat)}", highlight=False, soft_wrap=True)
    if comparison is not None:
        console.print(_changes(comparison))
        colour = "red" if comparison.slower else "default"
        console.print(f"[{colour}]{escape(comparison.sentence)}[/]", highlight=False, soft_wrap=True)
    console.print(f"Raw data: {run.path}\nReport:   {done.page}", highlight=False, markup=False, soft_wrap=True)
    verdict = summary.verdict
    colour = _COLOURS[verdict.kind]
    console.print(f"\n[bold {colour}]{escape(verdict.sentence)}[/]", highlight=False, soft_wrap=True)


def _table(summary: Summary) -> Table:
    # Ten columns in eighty characters.
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    headings = ["at\nonce", "requests\n(failed)", "tok/s\n", "tok/s\na chip"]
    if _of_text(summary):
        headings += [
            "first s\np50",
            "first s\np95",
            "answer s\np50",
            "answer s\np95",
            "cached\nprefix",
            "busiest\nreplica",
        ]
    else:
        headings += ["requests\n/s", "answer s\np50", "answer s\np95", "answer s\np99"]
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for item in summary.steps:
        table.add_row(*_row(summary, item))
    return table


def _row(summary: Summary, item: Step) -> list[str]:
    servers = summary.servers(item)
    failed = f" ({sum(item.errors.values())})" if item.errors else ""
    share = servers.prefix_share if servers else None
    spread = servers.spread if servers else None
    row = [
        str(item.level),
        f"{item.requests}{failed}",
        f"{item.tokens_per_second:,.0f}",
        f"{summary.per_chip(item):,.0f}",
    ]
    if not _of_text(summary):
        return [*row, f"{item.requests_per_second:,.1f}", *(_seconds(item.latency, percent) for percent in PERCENTILES)]
    return [
        *row,
        *(_seconds(item.first_token, percent) for percent in (50, 95)),
        *(_seconds(item.latency, percent) for percent in (50, 95)),
        "-" if share is None else f"{share:.0%}",
        "-" if spread is None else f"x {spread:.2f}",
    ]


def _of_text(summary: Summary) -> bool:
    return summary.run.workload.task == "chat"


def _cost(summary: Summary, item: Step) -> str:
    cost, run = summary.cost(item), summary.run
    figures = f"{_money(cost.answers)} out, {_money(cost.prompts)} in, {_money(cost.together)} both together"
    if not _of_text(summary):
        figures = _money(cost.prompts)
    return (
        f"Cost in {run.outputs.currency} of a million tokens at {item.level} at once: {figures} "
        f"({cost.per_hour:.2f} an hour for {count(run.model.chips, 'chip')}, prices of {run.outputs.prices_as_of})"
    )


def _changes(comparison: Comparison) -> Table:
    table = Table("at once", "figure", "change", "95% interval", box=None, pad_edge=False)
    for change in (*comparison.throughput, *comparison.first_token):
        said = f"{change.change:+.1%}" if change.beyond_chance else "none beyond chance"
        table.add_row(str(change.level), change.figure, said, f"{change.low:+.1%} to {change.high:+.1%}")
    return table


def _seconds(values: Mapping[int, float], percent: int) -> str:
    return f"{values[percent]:.3g}" if values else "-"


def _half(values: Mapping[int, float]) -> str:
    return f"{values[50]:.3g} s (p50)" if values else "-"


def _money(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}" if value >= 0.1 else f"{value:.2g}"
