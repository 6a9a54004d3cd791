"""The verdict: the knee of a system whose knee is known, and no word about capacity where nothing is known."""

from __future__ import annotations

from itertools import takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.bench.measure import Step
from serving.bench.verdict import Ending, Kind, judge, levels, stopped_growing
from tests.serving.bench.made import step_of

NOISE = st.floats(0.97, 1.03)


def measured(knee: float, alone: float, upto: int, noise: list[float]) -> list[Step]:
    """Steps of a system that serves `knee` requests at once, up to where a run would stop."""
    found: list[Step] = []
    for number, level in enumerate(levels(upto)):
        found.append(step_of(level, min(level, knee) * alone * noise[number % len(noise)]))
        if stopped_growing(found):
            break
    return found


@given(st.floats(1, 200), st.floats(1, 5000), st.lists(NOISE, min_size=12, max_size=12))
def test_knee_and_capacity_of_a_known_system_are_found_within_15_percent(
    knee: float, alone: float, noise: list[float]
) -> None:
    verdict = judge(measured(knee, alone, 4096, noise), Ending.SATURATED)
    assert verdict.kind is Kind.SATURATED
    assert verdict.knee == pytest.approx(knee, rel=0.15)
    assert verdict.capacity == pytest.approx(knee * alone, rel=0.15)


@given(st.integers(1, 64), st.floats(1.3, 100), st.sampled_from(Ending), st.lists(NOISE, min_size=12, max_size=12))
def test_a_system_below_its_knee_is_never_called_saturated(
    upto: int, spare: float, ending: Ending, noise: list[float]
) -> None:
    verdict = judge(measured(upto * spare, 10.0, upto, noise), ending)
    assert verdict.kind in (Kind.NOT_SATURATED, Kind.FAILING)
    assert verdict.knee is None
    assert verdict.capacity is None
    assert "No statement about" in verdict.sentence


@given(st.floats(0.9, 1.0))
def test_a_load_generator_at_its_limit_is_not_taken_for_the_server(cpu: float) -> None:
    steps = [step_of(level, 100.0, cpu=cpu) for level in (1, 2, 4)]
    verdict = judge(steps, Ending.SATURATED)
    assert (verdict.kind, verdict.capacity) == (Kind.GENERATOR, None)


def test_throughput_that_falls_beyond_its_best_is_said() -> None:
    steps = [step_of(level, tokens) for level, tokens in ((1, 50.0), (2, 100.0), (4, 60.0), (8, 50.0))]
    verdict = judge(steps, Ending.SATURATED)
    assert (verdict.capacity, verdict.knee) == (100.0, 2.0)
    assert "falls beyond 2 at once" in verdict.sentence


@given(st.floats(-0.5, 3).filter(lambda growth: abs(growth - 0.1) > 1e-6), st.booleans())
def test_a_tenth_more_in_two_steps_is_growing_whichever_of_them_brought_it(growth: float, late: bool) -> None:
    more = 100 * (1 + growth)
    steps = [step_of(4, 100.0), step_of(8, min(more, 100.0) if late else more), step_of(16, more)]
    assert stopped_growing(steps) == (growth < 0.1)


def test_no_throughput_at_all_is_no_plateau() -> None:
    assert not stopped_growing([step_of(level, 0.0) for level in (1, 2, 4)])


@given(st.integers(1, 4096))
def test_steps_double_and_end_at_the_maximum(maximum: int) -> None:
    found = list(levels(maximum))
    assert found[-1] == maximum
    assert list(takewhile(lambda level: level < maximum, found)) == [2**n for n in range(len(found) - 1)]


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (Ending.INTERRUPTED, "interrupted after the step of 2 at once"),
        (Ending.TIME, "give more with --time"),
        (Ending.MAXIMUM, "raise --max-concurrency"),
        (Ending.BROKEN, "exited unexpectedly"),
        (Ending.FAILING, "too many requests failed"),
    ],
)
def test_what_is_missing_is_said(ending: Ending, words: str) -> None:
    assert words in judge([step_of(1, 10.0), step_of(2, 20.0)], ending).sentence
