"""`docs/dashboard.svg`: the dashboard as a rehearsal measured it (`python -m tools.dashboard_picture ENV MINUTES`).

Asks the Prometheus of a running rehearsal (`rehearse ENV --metrics`) for every expression of every panel over the last MINUTES.
"""

from __future__ import annotations

import math
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from html import escape

import httpx

from checks.environment import require
from cluster.target import find_rehearsal
from manifests.alerts.dashboards import title
from manifests.alerts.panels import Panel, Unit, rows
from serving.program.outputs import planned_outputs
from settings.document import ROOT, find_environment, read_document

_WIDTH, _HEIGHT, _HEADING, _MARGIN = 1280, 220, 34, 10
_LEFT, _TOP, _BOTTOM, _LEGEND = 52, 30, 18, 16
_COLORS = ("#1a73e8", "#e8710a", "#12858d", "#9334e6", "#c5221f", "#188038", "#b06000", "#5f6368")
_ENTRIES = 4  # of a legend
_POINTS = 240

Series = tuple[str, list[tuple[float, float]]]


def measured(client: httpx.Client, panel: Panel, start: float, end: float) -> Iterator[Series]:
    """Legend and points of each series; a value that is no number is no point."""
    for line in panel.lines:
        asked = {"query": line.query, "start": start, "end": end, "step": (end - start) / _POINTS}
        answer = client.post("/api/v1/query_range", data=asked).raise_for_status().json()
        for series in answer["data"]["result"]:
            name = line.legend.format_map(defaultdict(str, series["metric"]))
            yield name, [(at, float(value)) for at, value in series["values"] if math.isfinite(float(value))]


def value(number: float, unit: Unit) -> str:
    """A number on an axis."""
    if unit in ("ratio", "percent"):
        return f"{number * (100 if unit == 'ratio' else 1):g}%"
    return f"{number:g}{' s' if unit == 's' else ''}"


def ceiling(highest: float) -> float:
    """The next of 1, 2, 5 times a power of ten; 1 where nothing is above zero."""
    if highest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest))
    return next(power * step for step in (1, 2, 5, 10) if power * step >= highest * (1 - 1e-9))


def chart(
    panel: Panel, found: Sequence[Series], start: float, end: float, place: tuple[float, float, float]
) -> Iterator[str]:
    """One panel at x, y, with a width."""
    x, y, width = place
    left, top, right, bottom = x + _LEFT, y + _TOP, x + width - 8, y + _HEIGHT - _BOTTOM - _LEGEND - 8
    yield f'<rect x="{x}" y="{y}" width="{width}" height="{_HEIGHT}" class="card"/>'
    squeezed = (
        f' textLength="{width - 20}" lengthAdjust="spacingAndGlyphs"' if 8 * len(panel.title) > width - 20 else ""
    )
    yield f'<text x="{x + 10}" y="{y + 19}" class="title"{squeezed}>{escape(panel.title)}</text>'
    if not any(points for _, points in found):
        google = any("monitored_resource=" in line.query for line in panel.lines)
        said = "Google's own metric: a rehearsal has none" if google else "nothing happened"
        yield f'<text x="{x + width / 2}" y="{y + _HEIGHT / 2}" class="none">{said}</text>'
        return
    most = ceiling(max(number for _, points in found for _, number in points))
    for part in range(5):
        height = bottom - (bottom - top) * part / 4
        yield f'<path d="M{left} {height:.1f}H{right:.1f}" class="grid"/>'
        yield f'<text x="{left - 5}" y="{height + 4:.1f}" class="axis end">{value(most * part / 4, panel.unit)}</text>'
    said = f"last {(end - start) / 60:g} min"
    yield f'<text x="{(left + right) / 2:.1f}" y="{bottom + 14:.1f}" class="axis middle">{said}</text>'
    for index, (name, points) in enumerate(found):
        color = _COLORS[index % len(_COLORS)]
        path, last = [], -math.inf
        for at, number in points:
            move = "L" if at - last <= 1.5 * (end - start) / _POINTS else "M"
            last = at
            across = left + (right - left) * (at - start) / (end - start)
            path.append(f"{move}{across:.1f} {bottom - (bottom - top) * number / most:.1f}")
        yield f'<path d="{"".join(path)}" class="line" stroke="{color}"><title>{escape(name)}</title></path>'
        if index < _ENTRIES:
            entry = x + 10 + index * (width - 20) / min(len(found), _ENTRIES)
            yield f'<rect x="{entry:.1f}" y="{y + _HEIGHT - 18}" width="9" height="9" fill="{color}"/>'
            shown = name if len(name) < 22 else f"{name[:9]}…{name[-10:]}"
            yield f'<text x="{entry + 13:.1f}" y="{y + _HEIGHT - 10}" class="axis">{escape(shown)}</text>'


_STYLE = (
    "text{font:13px sans-serif;fill:#202124}.title{font-weight:600}.row{font-size:17px}.axis{font-size:10px;fill:#5f6368}"
    ".end{text-anchor:end}.middle{text-anchor:middle}.none{text-anchor:middle;fill:#80868b}.card{fill:#fff;stroke:#dadce0}"
    ".grid{stroke:#e8eaed}.line{fill:none;stroke-width:1.6}"
)


def picture(environment: str, minutes: float) -> str:
    """The whole dashboard as SVG.

    Raises:
        cluster.target.TargetError: no rehearsal of the environment runs.
        httpx.HTTPError: its Prometheus does not answer.
    """
    deployment, _ = require(read_document(find_environment(environment)))
    url = find_rehearsal(environment, planned_outputs).prometheus
    if url is None:
        sys.exit(f"The rehearsal of {environment} has no Prometheus: start it with --metrics.")
    end = time.time()
    start = end - 60 * minutes
    parts, y = [f'<text x="{_MARGIN}" y="26" class="row title">{escape(title(deployment))}</text>'], 40.0
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        for row in rows(deployment):
            parts.append(f'<text x="{_MARGIN}" y="{y + 22}" class="row">{escape(row.title)}</text>')
            y += _HEADING
            width = (_WIDTH - _MARGIN) / len(row.panels) - _MARGIN
            for index, panel in enumerate(row.panels):
                place = round(_MARGIN + index * (width + _MARGIN), 1), y, round(width, 1)
                parts.extend(chart(panel, list(measured(client, panel, start, end)), start, end, place))
            y += _HEIGHT + _MARGIN
    size = f'viewBox="0 0 {_WIDTH} {y:.0f}" width="{_WIDTH}" height="{y:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"><style>{_STYLE}</style>'
    return "\n".join([head, '<rect width="100%" height="100%" fill="#f8f9fa"/>', *parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    (ROOT / "docs/dashboard.svg").write_text(picture(sys.argv[1], float(sys.argv[2])), encoding="utf-8")
