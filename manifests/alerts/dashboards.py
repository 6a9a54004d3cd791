"""The panels as a Cloud Monitoring dashboard (API v1, Dashboard) and as a Grafana dashboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from manifests.alerts.panels import Line, Panel, Row, Unit, rows
from settings.derive import Deployment

# The grid of a mosaic layout, and of Grafana.
_COLUMNS, _GRAFANA_COLUMNS = 48, 24
_HEIGHT, _HEADER = 16, 4
_UNITS: dict[Unit, str] = {
    "1/s": "1/s",
    "s": "s",
    "ratio": "10^2.%",
    "count": "1",
    "percent": "%",
    "USD": "1",
}
_GRAFANA_UNITS: dict[Unit, str] = {
    "1/s": "reqps",
    "s": "s",
    "ratio": "percentunit",
    "count": "none",
    "percent": "percent",
    "USD": "currencyUSD",
}
# Of Grafana 11; later ones migrate it.
_SCHEMA_VERSION = 39
_DATA_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def title(deployment: Deployment) -> str:
    """Name of the dashboard."""
    return f"{deployment.name}: LLM serving"


def cloud_dashboard(deployment: Deployment) -> dict[str, Any]:
    """The dashboard as Cloud Monitoring takes it.

    Nothing in it is zero or empty: the API leaves such fields out of its answer, and the provider calls that a difference.
    """
    tiles = [dict(_tile(*place)) for place in _places(rows(deployment), _COLUMNS, _HEIGHT, _HEADER)]
    return {
        "displayName": title(deployment),
        "mosaicLayout": {"columns": _COLUMNS, "tiles": tiles},
    }


def grafana_dashboard(deployment: Deployment) -> dict[str, Any]:
    """The dashboard as Grafana imports it; its data source is chosen there."""
    places = list(_places(rows(deployment), _GRAFANA_COLUMNS, 8, 1))
    return {
        "title": title(deployment),
        "uid": re.sub(r"[^a-z0-9-]", "-", f"tpu-serving-{deployment.name}".lower())[:40],
        "tags": ["tpu-serving", deployment.name],
        "schemaVersion": _SCHEMA_VERSION,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [{"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}]
        },
        "annotations": {"list": []},
        "panels": [_grafana_panel(number, *place) for number, place in enumerate(places, 1)],
    }


_Place = tuple["Row | Panel", int, int, int, int]


def _places(found: tuple[Row, ...], columns: int, height: int, header: int) -> Iterator[_Place]:
    """Each heading and panel with x, y, width and height; panels of a row share its width, at most four side by side."""
    y = 0
    for row in found:
        yield row, 0, y, columns, header
        y += header
        width = columns // len(row.panels)
        for index, panel in enumerate(row.panels):
            yield panel, index * width, y, width, height
        y += height


def _tile(item: Row | Panel, x: int, y: int, width: int, height: int) -> Iterator[tuple[str, Any]]:
    if x:
        yield "xPos", x
    if y:
        yield "yPos", y
    yield "width", width
    yield "height", height
    if isinstance(item, Row):
        yield "widget", {"title": item.title, "sectionHeader": {"dividerBelow": True}}
        return
    sets = [
        {
            "plotType": "LINE",
            "targetAxis": "Y1",
            "legendTemplate": _cloud_legend(line),
            "timeSeriesQuery": {"prometheusQuery": line.query, "unitOverride": _UNITS[item.unit]},
        }
        for line in item.lines
    ]
    chart = {"dataSets": sets, "yAxis": {"scale": "LINEAR"}, "chartOptions": {"mode": "COLOR"}}
    yield "widget", {"title": item.title, "xyChart": chart}


def _cloud_legend(line: Line) -> str:
    return re.sub(r"\{(\w+)\}", r"${metric.labels.\1}", line.legend)


def _grafana_panel(number: int, item: Row | Panel, x: int, y: int, width: int, height: int) -> dict[str, Any]:
    place = {"id": number, "title": item.title, "gridPos": {"x": x, "y": y, "w": width, "h": height}}
    if isinstance(item, Row):
        return {**place, "type": "row", "collapsed": False, "panels": []}
    targets = [
        {
            "refId": chr(ord("A") + index),
            "datasource": _DATA_SOURCE,
            "expr": line.query,
            "legendFormat": re.sub(r"\{(\w+)\}", r"{{\1}}", line.legend),
        }
        for index, line in enumerate(item.lines)
    ]
    defaults = {"unit": _GRAFANA_UNITS[item.unit], "min": 0}
    return {
        **place,
        "type": "timeseries",
        "datasource": _DATA_SOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "none"},
        },
    }
