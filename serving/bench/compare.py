"""Two runs side by side: by how much they differ, and whether that is more than chance.

An interval is Welch's (scipy), over the means of a window's slices: requests that were under way together are no
independent samples. It covers what varies within the two runs; what differs from run to run besides (placement,
neighbours) it can't know.
"""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from serving.bench.measure import SLICES, Step
from serving.bench.run_file import Run, RunError
from serving.bench.summary import Summary
from serving.bench.verdict import Kind

CONFIDENCE = 0.95
# Runs of one system differ by a few percent (placement, neighbours), which no interval from within them covers.
SLOWER = 0.05
# Fewer slices with a value say nothing.
_LEAST = 3


@dataclass(frozen=True)
class Change:
    """By which share a figure is larger (+) or smaller (-) than before, with its interval. `level`: requests at once."""

    level: int
    figure: str
    change: float
    low: float
    high: float

    @property
    def beyond_chance(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Comparison:
    """A run against an earlier one, at every number of requests at once that both have measured."""

    old: Summary
    new: Summary
    throughput: list[Change]
    first_token: list[Change]

    @property
    def capacity(self) -> Change | None:
        """The change at the highest common step, where both runs are saturated there."""
        both = (self.old.verdict, self.new.verdict)
        if not self.throughput or any(verdict.kind is not Kind.SATURATED for verdict in both):
            return None
        last = self.throughput[-1]
        knees = [verdict.knee for verdict in both if verdict.knee is not None]
        return last if last.level >= max(knees) else None

    @property
    def slower(self) -> bool:
        """Whether the capacity fell by more than runs differ anyway, and beyond chance. Only capacity is judged."""
        return self.capacity is not None and self.capacity.change < -SLOWER and self.capacity.high < 0

    @property
    def sentence(self) -> str:
        """The answer in one line."""
        if not self.throughput:
            return f"against {self.old.run.name}: no step in common, nothing is compared."
        last = self.throughput[-1]
        what = "capacity" if self.capacity else f"throughput at {last.level} at once"
        interval = f"{CONFIDENCE:.0%} interval {last.low:+.1%} to {last.high:+.1%}"
        said = f"{last.change:+.1%} ({interval})" if last.beyond_chance else f"no change beyond chance ({interval})"
        tail = "" if self.capacity else "; not both are saturated there; no statement about capacity"
        return f"against {self.old.run.name}: {what} {said}{tail}."

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "run": self.old.run.name,
            "file": str(self.old.run.path),
            "confidence": CONFIDENCE,
            "text": self.sentence,
            "slower": self.slower,
            "throughput": [change.__dict__ for change in self.throughput],
            "firstToken": [change.__dict__ for change in self.first_token],
        }


def check_comparable(old: Run, new_shape: tuple[int, int, float], model: str) -> None:
    """Raises RunError where the earlier run asked something else."""
    if old.workload.shape != new_shape:
        words, tokens, shared = old.workload.shape
        raise RunError(
            f"{old.path} had another workload; the same is asked with --prompt-words {words} --answer-tokens {tokens} "
            f"--shared-prefix {shared:g}"
        )
    if old.model.name != model:
        raise RunError(f"{old.path} is a run of the model {old.model.name}, not of {model}")


def compare(old: Summary, new: Summary) -> Comparison:
    """The changes from one run to another of the same workload."""
    before = {item.level: item for item in old.steps}
    pairs = [(before[item.level], item) for item in new.steps if item.level in before]
    workload = new.run.workload
    throughput = [_change(b.level, f"{workload.counted}/s", a.slices, b.slices) for a, b in pairs]
    figure = "time to first token" if workload.task == "chat" else "latency"
    first = [_change(b.level, figure, _first_tokens(old.run, a), _first_tokens(new.run, b)) for a, b in pairs]
    return Comparison(old, new, [item for item in throughput if item], [item for item in first if item])


def _first_tokens(run: Run, item: Step) -> list[float]:
    """Mean time to first token of the requests that began in each slice of the window."""
    window, slices = item.window, dict[int, list[float]]()
    for asked in run.requests:
        if asked.first is not None and asked.error is None and window.begin <= asked.start < window.end:
            number = int((asked.start - window.begin) / window.seconds * SLICES)
            slices.setdefault(number, []).append(asked.first - asked.start)
    return [statistics.fmean(values) for values in slices.values()]


def _change(level: int, figure: str, old: Sequence[float], new: Sequence[float]) -> Change | None:
    """The change of the mean; None where there is too little to say anything."""
    if min(len(old), len(new)) < _LEAST or not sum(old):
        return None
    low, high = interval(old, new)
    return Change(level, figure, statistics.fmean(new) / statistics.fmean(old) - 1, low, high)


def interval(old: Sequence[float], new: Sequence[float]) -> tuple[float, float]:
    """The interval of mean(new) - mean(old), as a share of mean(old); one point where nothing varies."""
    from scipy import stats

    base = statistics.fmean(old)
    difference = statistics.fmean(new) - base
    if statistics.pvariance(old) == statistics.pvariance(new) == 0:
        return difference / base, difference / base
    with warnings.catch_warnings():
        # Values that are nearly the same: the interval is nearly a point, as it should be.
        warnings.simplefilter("ignore", RuntimeWarning)
        found = stats.ttest_ind(new, old, equal_var=False).confidence_interval(CONFIDENCE)
    return float(found.low) / base, float(found.high) / base
