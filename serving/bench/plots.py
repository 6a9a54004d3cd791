"""The plots of a run, by Plotly; those of an earlier run beside them where there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from serving.bench.measure import PERCENTILES, Step
from serving.bench.summary import Summary
from serving.bench.verdict import Kind
from settings.text import count

_HEIGHT = 360
# Colours that stay apart for colour-blind eyes (Okabe and Ito).
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")


@dataclass(frozen=True)
class Plot:
    """One plot: `name` for links and tests, what it shows, how it is to be read."""

    name: str
    title: str
    reading: str
    figure: Any


def plots(summary: Summary, earlier: Summary | None) -> Iterator[Plot]:
    """Every plot that the run has figures for."""
    runs = [summary, *([earlier] if earlier else [])]
    counted = summary.run.workload.counted.capitalize()
    yield Plot(
        "throughput",
        "Throughput",
        f"{counted} per second of all requests together. Where the line is flat, more requests at once only wait.",
        _with_knee(_lines(runs, "tokens/s", lambda _, step: {"": step.tokens_per_second}), summary),
    )
    yield Plot(
        "latency",
        "Whole answer",
        "Seconds from request to the end of the answer.",
        _lines(runs, "seconds", lambda _, step: _by_percentile(step.latency)),
    )
    if any(step.first_token for step in summary.steps):
        yield Plot(
            "first-token",
            "Time to first token",
            "Seconds from request to the first text of the answer.",
            _lines(runs, "seconds", lambda _, step: _by_percentile(step.first_token)),
        )
    yield Plot(
        "per-chip",
        "Throughput of a chip",
        f"{counted} per second, divided by {count(summary.run.model.chips, 'chip')}.",
        _lines(runs, "tokens/s a chip", lambda run, step: {"": run.per_chip(step)}),
    )
    yield Plot(
        "cost",
        "Cost of a million tokens",
        "Out: as if prompts were free. In: as if answers were free. Both: every token costs the same.",
        _lines(runs, summary.run.outputs.currency, _cost),
    )
    if any(_prefix(run, step) for run in runs for step in run.steps):
        yield Plot(
            "prefix",
            "Prefix cache",
            "Share of the prompts' tokens that the servers found in their cache, and what the picker expected of a prompt.",
            _lines(runs, "share", _prefix),
        )
    if any(sum(servers.per_second.values()) for step in summary.steps if (servers := summary.servers(step))):
        yield Plot(
            "replicas",
            "Replicas",
            "Answer tokens per second of each replica. Equal parts mean an even spread.",
            _replicas(summary),
        )


def _lines(runs: list[Summary], unit: str, values: Callable[[Summary, Step], Mapping[str, float | None]]) -> Any:
    """A line for each value of a step, over the requests at once; an earlier run's lines are dotted."""
    figure = _figure(unit)
    for run, dash, whose in zip(runs, ("solid", "dot"), ("", "earlier")):
        lines: dict[str, list[tuple[int, float]]] = {}
        for step in run.steps:
            for name, value in values(run, step).items():
                if value is not None:
                    lines.setdefault(name, []).append((step.level, value))
        for number, (name, points) in enumerate(lines.items()):
            colour = _COLOURS[number % len(_COLOURS)]
            figure.add_scatter(
                x=[level for level, _ in points],
                y=[value for _, value in points],
                name=" ".join(filter(None, (name, whose))) or "this run",
                mode="lines+markers",
                line={"dash": dash, "color": colour},
            )
    levels = sorted({step.level for run in runs for step in run.steps})
    figure.update_xaxes(type="log", tickvals=levels, ticktext=[str(level) for level in levels])
    figure.update_yaxes(rangemode="tozero")
    return figure


def _with_knee(figure: Any, summary: Summary) -> Any:
    verdict = summary.verdict
    if verdict.kind is Kind.SATURATED and verdict.knee is not None:
        figure.add_scatter(
            x=[verdict.knee, verdict.knee],
            y=[0, verdict.capacity],
            name=f"knee: {verdict.knee:.3g} at once",
            mode="lines",
            line={"dash": "dash", "color": "#666666"},
        )
    return figure


def _by_percentile(values: Mapping[int, float]) -> dict[str, float | None]:
    return {f"p{percent}": values.get(percent) for percent in PERCENTILES}


def _cost(run: Summary, step: Step) -> dict[str, float | None]:
    cost = run.cost(step)
    return {"out": cost.answers, "in": cost.prompts, "both": cost.together}


def _prefix(run: Summary, step: Step) -> dict[str, float | None]:
    servers = run.servers(step)
    shares = {"servers": servers.prefix_share, "picker": servers.picker_share} if servers else {}
    return {name: share for name, share in shares.items() if share is not None}


def _replicas(summary: Summary) -> Any:
    figure = _figure("tokens/s")
    by_name: dict[str, list[tuple[str, float]]] = {}
    for step in summary.steps:
        servers = summary.servers(step)
        for name, value in (servers.per_second if servers else {}).items():
            by_name.setdefault(name, []).append((str(step.level), value))
    for number, (name, points) in enumerate(sorted(by_name.items())):
        colour = _COLOURS[number % len(_COLOURS)]
        figure.add_bar(
            x=[level for level, _ in points], y=[value for _, value in points], name=name, marker={"color": colour}
        )
    figure.update_layout(barmode="stack")
    figure.update_xaxes(type="category")
    return figure


def _figure(unit: str) -> Any:
    figure = go.Figure()
    figure.update_layout(
        template="simple_white",
        height=_HEIGHT,
        margin={"l": 60, "r": 20, "t": 20, "b": 40},
        legend={"orientation": "h", "y": -0.25},
        showlegend=True,
        xaxis_title="requests at once",
        yaxis_title=unit,
    )
    return figure
