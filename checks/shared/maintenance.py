"""Judgements about maintenance: what GKE accepts as window and exclusions (CL17)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta

from settings.windows import Window

# Google "Configure maintenance windows and exclusions", as others quote it (2026-09-08): 48 hours in any 92 days, in pieces
# of four hours at least (until 2026 in any 32 days); at most 20 exclusions, three of them of NO_UPGRADES and 90 days.
ROLLING, LEAST, SHORTEST = timedelta(days=92), timedelta(hours=48), timedelta(hours=4)
MOST_EXCLUSIONS, MOST_WITHOUT_UPGRADES, LONGEST_WITHOUT_UPGRADES = 20, 3, timedelta(days=90)
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")

Span = tuple[datetime, datetime]


def least_availability(window: Window, exclusions: Sequence[Span]) -> timedelta | None:
    """The time for maintenance in the 92 days that have least of it; None where the recurrence is not judged here.

    `exclusions` are those that allow no upgrades.
    """
    opens = _opening(window)
    if opens is None:
        return None
    # What ended before the window opens first takes nothing from it.
    around = [(max(start - ROLLING, window.start), end) for start, end in exclusions if end > window.start]
    return min(
        _least(_pieces(window, opens, exclusions, first, last + ROLLING), first, last)
        for first, last in [(window.start, window.start + ROLLING), *around]
    )


def _opening(window: Window) -> Callable[[date], bool] | None:
    """Whether the window opens on a day; None for a recurrence by months, years, counts or ends."""
    parts = dict(part.split("=", 1) for part in window.recurrence.split(";"))
    frequency, interval = parts.pop("FREQ"), parts.pop("INTERVAL", "1")
    named, first = parts.pop("BYDAY", None), window.start.date()
    days = named.split(",") if named else list(_DAYS) if frequency == "DAILY" else [_DAYS[first.weekday()]]
    if parts or frequency not in ("DAILY", "WEEKLY") or not set(days) <= set(_DAYS):
        return None
    every, monday = int(interval), first - timedelta(days=first.weekday())

    def opens(day: date) -> bool:
        passed = (day - first).days if frequency == "DAILY" else (day - monday).days // 7
        return day >= first and passed % every == 0 and _DAYS[day.weekday()] in days

    return opens


def _pieces(
    window: Window, opens: Callable[[date], bool], exclusions: Iterable[Span], first: datetime, last: datetime
) -> list[Span]:
    """The times that count between two moments; what overlaps is one."""
    time, pieces = window.start.timetz(), list[Span]()
    day = max(first, window.start).date() - timedelta(days=window.length.days + 1)
    while day <= last.date():
        if opens(day):
            start = datetime.combine(day, time)
            if pieces and start <= pieces[-1][1]:
                start = pieces.pop()[0]
            pieces.append((start, datetime.combine(day, time) + window.length))
        day += timedelta(days=1)
    for start, end in exclusions:
        cut = [((a, min(b, start)), (max(a, end), b)) for a, b in pieces]
        pieces = [(a, b) for pair in cut for a, b in pair if a < b]
    return [(a, b) for a, b in pieces if b - a >= SHORTEST]


def _least(pieces: Sequence[Span], first: datetime, last: datetime) -> timedelta:
    """The least in any rolling period that begins between two moments: it begins where a piece ends."""
    begins = [first, *(end for _, end in pieces if first <= end <= last)]
    none = timedelta()
    return min(sum((max(none, min(b, at + ROLLING) - max(a, at)) for a, b in pieces), none) for at in begins)
