"""From the timing of requests to the figures of a step. Seconds are counted from the beginning of the run."""

from __future__ import annotations

import itertools
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# A window is cut into so many slices: their spread is what an interval is computed from.
SLICES = 10
PERCENTILES = (50, 95, 99)


@dataclass(frozen=True)
class RequestTiming:
    """One request. `first` is the time of the first text of the answer, or of numbers; `error` names what it ended with
    instead. An answer of numbers has no tokens.
    """

    level: int
    start: float
    end: float
    first: float | None = None
    prompt_tokens: int = 0
    answer_tokens: int = 0
    error: str | None = None

    def answered_between(self, begin: float, end: float) -> float:
        """Tokens of the answer that came between two times: an answer comes evenly from its first text to its end."""
        return self.answer_tokens * _share(self.first, self.end, begin, end)

    def counted_between(self, begin: float, end: float) -> float:
        """Tokens of the throughput that came between two times: of the answer, or of the prompt where it is numbers."""
        return self.answered_between(begin, end) if self.answer_tokens else self.read_between(begin, end)

    def read_between(self, begin: float, end: float) -> float:
        """Tokens of the prompt that were read between two times."""
        return self.prompt_tokens * _share(self.start, self.first, begin, end)


def _share(first: float | None, last: float | None, begin: float, end: float) -> float:
    """Share of the time from `first` to `last` that lies between two times; all of a moment lies on one side."""
    if first is None or last is None:
        return 0.0
    if last <= first:
        return float(begin <= first < end)
    return max(0.0, min(last, end) - max(first, begin)) / (last - first)


@dataclass(frozen=True)
class Window:
    """When a step was measured. `generator_cpu`: share of one CPU that the load generator used meanwhile."""

    level: int
    begin: float
    end: float
    generator_cpu: float = 0.0

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.begin


@dataclass(frozen=True)
class Step:
    """Figures of one number of requests at once. Seconds of requests that began in the window, by percentile.

    `tokens_per_second`: of answers, or of prompts where answers are numbers; `slices`: the same in each slice of the window.
    `errors`: failed requests by what they ended with.
    """

    level: int
    window: Window
    requests: int
    errors: dict[str, int]
    tokens_per_second: float
    input_tokens_per_second: float
    requests_per_second: float
    slices: tuple[float, ...]
    first_token: dict[int, float]
    latency: dict[int, float]
    per_token: dict[int, float]


def step(window: Window, requests: Iterable[RequestTiming]) -> Step:
    """The figures of a window; every request that began in it must have ended."""
    begin, end = window.begin, window.end
    touching = [asked for asked in requests if asked.start < end and asked.end > begin]
    good = [asked for asked in touching if asked.error is None]
    began = [asked for asked in good if begin <= asked.start]
    width = window.seconds / SLICES
    edges = [begin + width * index for index in range(SLICES)] + [end]
    slices = [sum(a.counted_between(low, high) for a in good) / width for low, high in itertools.pairwise(edges)]
    return Step(
        level=window.level,
        window=window,
        requests=len(began),
        errors=dict(Counter(asked.error for asked in touching if asked.error is not None)),
        tokens_per_second=sum(slices) / SLICES,
        input_tokens_per_second=sum(asked.read_between(begin, end) for asked in good) / window.seconds,
        requests_per_second=sum(_share(asked.start, asked.end, begin, end) for asked in good) / window.seconds,
        slices=tuple(slices),
        first_token=percentiles([a.first - a.start for a in began if a.first is not None and a.answer_tokens]),
        latency=percentiles([asked.end - asked.start for asked in began]),
        per_token=percentiles(
            [(a.end - a.first) / (a.answer_tokens - 1) for a in began if a.first and a.answer_tokens > 1]
        ),
    )


def percentiles(values: Sequence[float]) -> dict[int, float]:
    """The percentiles that are reported; none of no values."""
    if not values:
        return {}
    if len(values) == 1:
        return dict.fromkeys(PERCENTILES, values[0])
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {percent: cuts[percent - 1] for percent in PERCENTILES}
