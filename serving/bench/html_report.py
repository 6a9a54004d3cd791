"""The report as one HTML file that needs nothing else: no request leaves the page, and its own policy forbids any."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from serving.bench.compare import Comparison
from serving.bench.plots import Plot, plots
from serving.bench.summary import Summary
from settings.text import count

# What the page may load: what stands in it.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 0; }
.verdict { font-size: 1.1rem; font-weight: 600; border-left: 4px solid #0072B2; padding: .4rem .8rem; background: #f3f6f9; }
.note { border-left: 4px solid #E69F00; padding: .2rem .8rem; margin: .4rem 0; background: #fdf7ea; }
.plots { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 2rem; margin: 2rem 0; }
.plots p { margin: 0; color: #555; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; } td, th { padding: .2rem .7rem; text-align: right; }
th { border-bottom: 1px solid #999; vertical-align: bottom; } dt { font-weight: 600; float: left; clear: left; width: 11rem; }
dd { margin: 0 0 .1rem 11rem; overflow-wrap: anywhere; } .wide { overflow-x: auto; }
@media (max-width: 60rem) { .plots { grid-template-columns: minmax(0, 1fr); } }
"""
_CONFIG = {"displaylogo": False, "responsive": True}


def write_page(path: Path, summary: Summary, comparison: Comparison | None) -> None:
    """Write the report of a run, beside its earlier one where there is a comparison."""
    path.write_text(page(summary, comparison), encoding="utf-8")


def page(summary: Summary, comparison: Comparison | None) -> str:
    """The page."""
    from plotly.offline import get_plotlyjs

    drawn = list(plots(summary, comparison.old if comparison else None)) if summary.steps else []
    title = f"bench {summary.run.environment}, {summary.run.model.name}, {summary.run.started:%Y-%m-%d %H:%M} UTC"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="verdict">{escape(summary.verdict.sentence)}</p>',
        *(f'<p class="note">{escape(text)}</p>' for text in summary.caveats),
        _comparison(comparison),
        f'<div class="plots">{"".join(_plot(plot) for plot in drawn)}</div>',
        "<h2>Figures</h2>",
        _figures(summary),
        "<h2>The run</h2>",
        _about(summary),
    ]
    scripts = f"<script>{get_plotlyjs()}</script>" if drawn else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>{scripts}</head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _plot(plot: Plot) -> str:
    import plotly.io

    drawn = plotly.io.to_html(
        plot.figure, include_plotlyjs=False, full_html=False, div_id=f"plot-{plot.name}", config=_CONFIG
    )
    return f"<section><h2>{escape(plot.title)}</h2><p>{escape(plot.reading)}</p>{drawn}</section>"


def _comparison(comparison: Comparison | None) -> str:
    if comparison is None:
        return ""
    rows = [
        [str(item.level), item.figure, f"{item.change:+.1%}", f"{item.low:+.1%} to {item.high:+.1%}"]
        for item in (*comparison.throughput, *comparison.first_token)
    ]
    heading = ["at once", "figure", "change", "95% interval"]
    return f'<p class="verdict">{escape(comparison.sentence)}</p>' + _table(heading, rows)


def _figures(summary: Summary) -> str:
    money = summary.run.outputs.currency
    heading = ["at once", "requests", "failed", "requests/s", "tokens/s", "tokens/s a chip", "prompt tokens/s"]
    heading += ["first token p50 / p95 / p99, s", "answer p50 / p95 / p99, s"]
    heading += [f"{money} a million: out / in / both", "cached prefix", "picker expected", "busiest replica", "waiting"]
    rows = []
    for item in summary.steps:
        cost, servers = summary.cost(item), summary.servers(item)
        rows.append(
            [
                *(str(item.level), str(item.requests), str(sum(item.errors.values()))),
                *(
                    f"{item.requests_per_second:,.2f}",
                    f"{item.tokens_per_second:,.1f}",
                    f"{summary.per_chip(item):,.1f}",
                ),
                f"{item.input_tokens_per_second:,.1f}",
                *(_percentiles(item.first_token), _percentiles(item.latency)),
                " / ".join(_number(value) for value in (cost.answers, cost.prompts, cost.together)),
                *(_share(servers.prefix_share if servers else None), _share(servers.picker_share if servers else None)),
                *(_number(servers.spread if servers else None), _number(servers.waiting if servers else None)),
            ]
        )
    return _table(heading, rows)


def _about(summary: Summary) -> str:
    run = summary.run
    work = run.workload
    facts: dict[str, Any] = {
        "environment": f"{run.environment}: {run.where}",
        "model": f"{run.model.name}, {count(run.model.replicas, 'replica')}, {count(run.model.chips, 'chip')}",
        "asked": f"{work.model} at {run.url}",
        "workload": f"prompts of {work.prompt_words} words, {work.shared_prefix:.0%} of them shared; "
        + (f"answers of {work.answer_tokens} tokens" if work.task == "chat" else f"answers are numbers ({work.task})"),
        "started": f"{run.started.isoformat()}, {run.seconds:,.0f} s",
        "cost": f"{summary.cost_per_hour:.2f} {run.outputs.currency} an hour, prices of {run.outputs.prices_as_of}",
        "limits": ", ".join(f"{name} {value:g}" for name, value in run.limits.items()),
        "versions": ", ".join(f"{name} {value}" for name, value in run.versions.items()),
        "load generator": run.machine,
        "raw data": run.path.name,
    }
    return (
        "<dl>"
        + "".join(f"<dt>{escape(key)}</dt><dd>{escape(str(value))}</dd>" for key, value in facts.items())
        + "</dl>"
    )


def _table(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in heading)
    body = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _percentiles(values: Mapping[int, float]) -> str:
    return " / ".join(f"{value:.3g}" for value in values.values()) or "-"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.3g}"
