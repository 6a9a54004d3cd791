"""Whether the steps say anything about capacity: throughput has stopped growing, or it has not.

The knee is where the two bounds of a closed system meet: so many requests at once bring the capacity if each goes as fast
as a request alone; more of them only wait (P. Denning and J. Buzen, The Operational Analysis of Queueing Network Models,
ACM Computing Surveys 10(3), 1978).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from serving.bench.measure import Step

# More requests at once, at least twice as many in two steps, that bring less than this: throughput has stopped growing.
GROWTH = 0.10
# A load generator that uses so much of its CPU measures itself.
GENERATOR_CPU = 0.9
# A step with more failed requests than this measures failures.
FAILED = 0.1


class Kind(StrEnum):
    """What can be said after the steps."""

    SATURATED = "saturated"
    NOT_SATURATED = "not saturated"
    GENERATOR = "load generator at its limit"
    FAILING = "requests fail"


class Ending(StrEnum):
    """Why there were no more steps."""

    SATURATED = "saturated"
    MAXIMUM = "maximum"
    TIME = "time"
    FAILING = "failing"
    INTERRUPTED = "interrupted"
    BROKEN = "broken"


@dataclass(frozen=True)
class Verdict:
    """`capacity` in tokens per second and `knee` in requests at once: only of a saturated run."""

    kind: Kind
    sentence: str
    capacity: float | None = None
    knee: float | None = None


def levels(maximum: int) -> Iterator[int]:
    """Requests at once, step by step: doubled each time, and the maximum at the end."""
    level = 1
    while level < maximum:
        yield level
        level *= 2
    yield maximum


def stopped_growing(steps: Sequence[Step]) -> bool:
    """Whether the last two steps, with at least twice the requests at once, brought next to nothing."""
    if len(steps) < 3:
        return False
    base, *later = steps[-3:]
    limit = base.tokens_per_second * (1 + GROWTH)
    return steps[-1].level >= 2 * base.level and all(0 < step.tokens_per_second <= limit for step in later)


def too_many_failed(failed: int, asked: int) -> bool:
    """Whether a step measures failures; a few at the beginning say nothing yet."""
    return failed >= 5 and failed > FAILED * asked


def judge(steps: Sequence[Step], ending: Ending, counted: str = "answer tokens") -> Verdict:
    """The verdict on the steps of a run that ended in this way; `counted` names the tokens of its throughput."""
    if ending is Ending.FAILING:
        return Verdict(Kind.FAILING, f"{_after(steps)} too many requests failed. No statement about capacity.")
    if not stopped_growing(steps):
        return Verdict(Kind.NOT_SATURATED, f"not saturated: {_why_not(steps, ending)} No statement about scaling.")
    busiest = max(step.window.generator_cpu for step in steps[-3:])
    if busiest >= GENERATOR_CPU:
        return Verdict(
            Kind.GENERATOR,
            f"throughput stopped growing, but the load generator used {busiest:.0%} of its CPU: it may have measured "
            "itself. No statement about scaling. Run it on a faster or idle machine, near the Gateway.",
        )
    return _saturated(steps, counted)


def _saturated(steps: Sequence[Step], counted: str) -> Verdict:
    beyond = sum(step.tokens_per_second for step in steps[-2:]) / 2
    best = max(steps, key=lambda step: step.tokens_per_second)
    falls = best.tokens_per_second > beyond * (1 + GROWTH)
    capacity = best.tokens_per_second if falls else beyond
    knee = capacity / (steps[0].tokens_per_second / steps[0].level)
    more = f" It falls beyond {best.level} at once." if falls else ""
    sentence = (
        f"saturated: {capacity:,.0f} {counted}/s, from about {knee:.3g} requests at once on; more of them only wait."
    )
    return Verdict(Kind.SATURATED, sentence + more, capacity, knee)


def _why_not(steps: Sequence[Step], ending: Ending) -> str:
    if ending is Ending.INTERRUPTED:
        return f"interrupted {_after(steps, 'after')}."
    if ending is Ending.BROKEN:
        return f"the load generator exited unexpectedly {_after(steps, 'after')}."
    if ending is Ending.TIME:
        return f"time ran out {_after(steps, 'after')}; give more with --time."
    if len(steps) < 3:
        return (
            f"{len(steps)} of the three steps that it takes at least to see throughput stop; raise --max-concurrency."
        )
    last, before = steps[-1], steps[-2]
    growth = last.tokens_per_second / before.tokens_per_second - 1 if before.tokens_per_second else 0.0
    text = f"from {before.level} to {last.level} requests at once throughput"
    if growth > GROWTH:
        return f"{text} still grew by {growth:.0%}; raise --max-concurrency."
    return f"{text} changed by {growth:+.0%}, and one such step proves nothing; raise --max-concurrency."


def _after(steps: Sequence[Step], word: str = "After") -> str:
    if not steps:
        return "before the first step was measured" if word == "after" else "Before the first step was measured"
    return f"{word} the step of {steps[-1].level} at once"
