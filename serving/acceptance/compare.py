"""A record's times beside what the plan estimates today."""

from __future__ import annotations

from collections.abc import Iterator

from serving.acceptance.estimates import estimates, up_seconds
from serving.acceptance.record import Record
from serving.plan.plan import Plan
from settings.text import duration

# Beyond a half more or less an estimate misleads.
_MUCH = 1.5


def compare(plan: Plan, record: Record) -> Iterator[str]:
    """Lines of a table for people."""
    yield f"{record.where}, {record.started:%Y-%m-%d}: {record.verdict}"
    shapes = {(m.generation, m.topology, m.source) for m in record.environment.models}
    own = {(m.shape.generation, m.shape.topology, m.settings.source) for m in plan.deployment.models}
    if shapes != own:
        yield "note: the record is of other models or slices than this environment"
    if record.where == "emulated cloud":
        yield "note: times of the emulated cloud say nothing of Google's"
    yield f"{'':<44} {'took':>12} {'estimate':>12}"
    up = record.step("up")
    if up.status == "passed" and up.seconds is not None:
        about, slowest = up_seconds(plan)
        beyond = about if up.seconds < about else slowest if up.seconds > slowest else None
        yield _line("up", up.seconds, beyond, duration(about))
    known = estimates(plan)
    for timing in up.timings:
        expected = known.get(timing.resource)
        yield _line(timing.resource, timing.seconds, expected, "none" if expected is None else duration(expected))


def _line(name: str, took: float, expected: float | None, shown: str) -> str:
    mark = ""
    if expected and took > expected * _MUCH:
        mark = "  slower"
    elif expected and took * _MUCH < expected:
        mark = "  faster"
    return f"{name:<44} {duration(took):>12} {shown:>12}{mark}"
