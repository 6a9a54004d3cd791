"""What a schedule comes to: when chips are asked for, and how many replicas run on average."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from settings.schedule import earlier, spans
from settings.served import ServedModel
from settings.start import lead

# A leap year: every day of a month comes in it.
YEAR = date(2028, 1, 1), 366


def asked_for(model: ServedModel, start: str) -> str:
    """The cron expression at which chips are asked for, so that replicas serve from `start` on."""
    return earlier(start, lead(model)) or start  # AS04 has refused what can't be moved


def average_replicas(model: ServedModel) -> float:
    """Replicas of a model with a schedule over a year, from when their chips are asked for; overlaps count the most."""
    scaling = model.settings.scaling
    assert scaling is not None
    otherwise = scaling.otherwise or 0
    running = [
        (begin - lead(model), end, window.replicas)
        for window in scaling.schedule
        for begin, end in spans(window.from_, window.to, window.timezone, *YEAR)
    ]
    first = datetime.combine(YEAR[0], datetime.min.time(), UTC)
    last, total = first + timedelta(days=YEAR[1]), 0.0
    edges = sorted({first, last, *(min(max(edge, first), last) for begin, end, _ in running for edge in (begin, end))})
    running.sort()
    active: list[tuple[datetime, datetime, int]] = []
    for edge, following in pairwise(edges):
        while running and running[0][0] <= edge:
            active.append(running.pop(0))
        active = [one for one in active if one[1] > edge]
        replicas = max((one[2] for one in active), default=otherwise)
        total += replicas * (following - edge).total_seconds()
    return total / (last - first).total_seconds()
