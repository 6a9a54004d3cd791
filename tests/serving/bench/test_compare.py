"""Two runs: a difference is called one where it is more than chance, and the interval is that of the change."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.bench.compare import check_comparable, compare, interval
from serving.bench.run_file import RunError, read_run
from serving.bench.summary import Summary
from tests.serving.bench.made import write_run

VALUES = st.lists(st.floats(1, 1000), min_size=3, max_size=10)


@given(VALUES)
def test_equal_samples_leave_room_for_no_change(values: list[float]) -> None:
    low, high = interval(values, values)
    assert low <= 0 <= high


@given(VALUES, VALUES, st.floats(0.1, 10))
def test_the_unit_does_not_matter(old: list[float], new: list[float], factor: float) -> None:
    scaled = interval([value * factor for value in old], [value * factor for value in new])
    assert scaled == pytest.approx(interval(old, new), rel=1e-6, abs=1e-6)


@given(st.floats(0.2, 5))
def test_samples_without_spread_differ_by_exactly_their_ratio(ratio: float) -> None:
    assert interval([10.0] * 5, [10.0 * ratio] * 5) == pytest.approx((ratio - 1, ratio - 1))


def test_chance_alone_is_rarely_called_a_change() -> None:
    noise = random.Random(1)  # noqa: S311
    pairs = [[[noise.gauss(100, 10) for _ in range(10)] for _ in range(2)] for _ in range(400)]
    called = sum(low > 0 or high < 0 for low, high in (interval(old, new) for old, new in pairs))
    # 95 %: about 20 of 400.
    assert 5 <= called <= 40


def runs(folder: Path, places: int, levels: tuple[int, ...] = (1, 2, 4, 8, 16)) -> tuple[Summary, Summary]:
    """A run of four places, and one of another number."""
    old = write_run(folder / "old.jsonl", (1, 2, 4, 8, 16), jitter=1)
    new = write_run(folder / "new.jsonl", levels, places=places, jitter=2)
    return Summary(read_run(old)), Summary(read_run(new))


def test_half_the_capacity_is_slower_and_said_with_its_interval(tmp_path: Path) -> None:
    found = compare(*runs(tmp_path, places=2))
    assert found.slower
    assert found.capacity is not None
    assert found.capacity.change == pytest.approx(-0.5, abs=0.05)
    assert found.capacity.low <= -0.5 <= found.capacity.high or found.capacity.high < -0.4
    assert "capacity -5" in found.sentence or "capacity -4" in found.sentence


def test_the_same_server_twice_is_no_change(tmp_path: Path) -> None:
    found = compare(*runs(tmp_path, places=4))
    assert not found.slower
    assert "no change beyond chance" in found.sentence


def test_without_saturation_nothing_is_said_about_capacity_and_nothing_is_slower(tmp_path: Path) -> None:
    found = compare(*runs(tmp_path, places=1, levels=(1, 2)))
    assert found.throughput[-1].high < 0
    assert (found.capacity, found.slower) == (None, False)
    assert "no statement about capacity" in found.sentence


def test_steps_that_only_one_run_has_are_left_out(tmp_path: Path) -> None:
    found = compare(*runs(tmp_path, places=4, levels=(3,)))
    assert found.throughput == []
    assert "nothing is compared" in found.sentence
    assert not found.slower


def test_another_workload_or_model_is_not_compared(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "old.jsonl", (1,)))
    with pytest.raises(RunError, match="--prompt-words 60 --answer-tokens 48"):
        check_comparable(run, (61, 48, 0.5), run.model.name)
    with pytest.raises(RunError, match="is a run of the model"):
        check_comparable(run, run.workload.shape, "another")
