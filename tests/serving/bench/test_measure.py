"""Figures of a window: nothing is counted twice or lost, whatever falls over its edges."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.bench.measure import RequestTiming, Window, percentiles, step
from serving.bench.workload import Workload
from tests.serving.bench.made import requests_of

TIMES = st.floats(0, 100)


@st.composite
def requests(draw: st.DrawFn) -> RequestTiming:
    start, first, end = sorted(draw(st.tuples(TIMES, TIMES, TIMES)))
    return RequestTiming(1, start, end, first, draw(st.integers(1, 500)), draw(st.integers(1, 500)))


@given(st.lists(requests(), max_size=20), st.lists(st.floats(1, 99), max_size=5))
def test_windows_that_adjoin_hold_every_token_once(asked: list[RequestTiming], cuts: list[float]) -> None:
    edges = [-1.0, *sorted(cuts), 101.0]
    for total, between in (
        (sum(item.answer_tokens for item in asked), RequestTiming.answered_between),
        (sum(item.prompt_tokens for item in asked), RequestTiming.read_between),
    ):
        counted = sum(between(item, low, high) for item in asked for low, high in itertools.pairwise(edges))
        assert counted == pytest.approx(total)


@given(st.lists(requests(), max_size=20))
def test_throughput_of_a_step_is_the_mean_of_its_slices_and_holds_all_tokens(asked: list[RequestTiming]) -> None:
    found = step(Window(1, -1.0, 101.0), asked)
    assert found.tokens_per_second * 102 == pytest.approx(sum(item.answer_tokens for item in asked))
    assert sum(found.slices) / len(found.slices) == pytest.approx(found.tokens_per_second)
    assert found.requests == len(asked)


@given(st.integers(1, 8), st.integers(1, 40), st.floats(0.3, 3), st.floats(2, 5))
def test_a_closed_system_is_measured_exactly_however_the_window_lies(
    places: int, level: int, seconds: float, shift: float
) -> None:
    # From the second wave on every place is busy all the time, or every user is.
    settled = seconds * (level // places + 2)
    window = Window(level, settled + shift, settled + shift + 4.0)
    found = step(window, requests_of(places, seconds, 48, level, 0.0, window.end))
    assert found.tokens_per_second == pytest.approx(min(places, level) * 48 / seconds, rel=0.01)


@given(st.lists(st.floats(0, 1000), min_size=1))
def test_percentiles_are_in_order_and_among_the_values(values: list[float]) -> None:
    found = percentiles(values)
    in_order = [min(values), found[50], found[95], found[99], max(values)]
    assert all(low <= high or low == pytest.approx(high) for low, high in itertools.pairwise(in_order))


def test_failed_requests_are_counted_by_name_and_give_no_tokens() -> None:
    good, bad = RequestTiming(1, 1.0, 2.0, 1.5, 10, 10), RequestTiming(1, 1.0, 2.0, error="stream-cut")
    found = step(Window(1, 0.0, 10.0), [good, bad, bad])
    assert (found.requests, found.errors) == (1, {"stream-cut": 2})
    assert found.tokens_per_second == pytest.approx(1.0)


@given(st.integers(1, 400), st.floats(0, 1), st.integers(0, 50), st.integers(0, 50))
def test_prompts_share_their_beginning_and_nothing_else(words: int, shared: float, one: int, other: int) -> None:
    work = Workload("m", words, 8, shared, 7)
    first, second = work.prompt(one).split(), work.prompt(other).split()
    common = round(words * shared)
    assert len(first) == len(second) == words
    assert first[:common] == second[:common]
    assert work.prompt(one) == work.prompt(one)


def test_another_run_sends_other_prompts() -> None:
    assert Workload("m", 40, 8, 1.0, 1).prompt(0) != Workload("m", 40, 8, 1.0, 2).prompt(0)
