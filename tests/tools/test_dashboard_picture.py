"""The dashboard's picture: axes that hold what is drawn, and a document that a browser reads."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from manifests.alerts.panels import Line, Panel
from tools.dashboard_picture import Series, ceiling, chart


@given(st.floats(1e-9, 1e12))
def test_an_axis_ends_above_what_it_holds_and_not_far(highest: float) -> None:
    assert highest * (1 - 1e-9) <= ceiling(highest) <= highest * 2.5000001


def drawn(found: list[Series], query: str = "up") -> ElementTree.Element:
    panel = Panel("A <b> & c", "s", (Line(query, "{model}"),))
    return ElementTree.fromstring(f"<svg>{''.join(chart(panel, found, 0, 240, (10, 20, 300)))}</svg>")  # noqa: S314


def test_series_are_drawn_inside_their_panel_and_end_where_they_do() -> None:
    svg = drawn([("a&b", [(0.0, 0.0), (1.0, 3.0), (200.0, 1.5), (240.0, 3.0)])])
    [line] = svg.findall("path[@class='line']")
    moves = re.findall(r"([ML])([\d.]+) ([\d.]+)", line.get("d", ""))
    # What is missing between is no line.
    assert [move for move, _, _ in moves] == ["M", "L", "M", "M"]
    assert all(10 <= float(x) <= 310 and 20 <= float(y) <= 240 for _, x, y in moves)


def test_a_panel_without_series_says_whose_they_would_be() -> None:
    assert "nothing happened" in {text.text for text in drawn([]).iter("text")}
    google = drawn([], 'x{monitored_resource="k8s_node"}')
    assert "Google's own metric: a rehearsal has none" in {text.text for text in google.iter("text")}
