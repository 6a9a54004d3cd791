"""Times that recur: five fields of cron in a time zone, as KEDA's cron trigger reads them (robfig/cron v3)."""

from __future__ import annotations

import re
import zoneinfo
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NUMBER = re.compile(r"\d{1,2}")
_FIELDS = ("minute", "hour", "day of the month", "month", "day of the week")
Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Cron:
    """A time of the day on some days; None for a field that is `*`. Days of the week: 0 is Sunday."""

    minute: int
    hour: int
    days: frozenset[int] | None
    months: frozenset[int] | None
    weekdays: frozenset[int] | None

    def on(self, day: date) -> bool:
        """Whether it comes on that day: with days of month and of week both given, either is enough (as in cron)."""
        if self.months is not None and day.month not in self.months:
            return False
        of_month = self.days is None or day.day in self.days
        of_week = self.weekdays is None or (day.weekday() + 1) % 7 in self.weekdays
        return of_month or of_week if self.days is not None and self.weekdays is not None else of_month and of_week


@cache
def parsed(text: str) -> Cron:
    """The five fields.

    Raises:
        ValueError: one is wrong, or minute or hour is not one number.
    """
    fields = text.lower().split()
    if len(fields) != len(_FIELDS):
        raise ValueError(
            f"cron has five fields (minute, hour, day of month, month, day of week), this has {len(fields)}"
        )
    for field, name, most in zip(fields[:2], _FIELDS, (59, 23), strict=False):
        if not _NUMBER.fullmatch(field) or int(field) > most:
            raise ValueError(f"the {name} is one number from 0 to {most}, not {field}")
    days = _numbers(fields[2], _FIELDS[2], 1, 31)
    months = _numbers(fields[3], _FIELDS[3], 1, 12, _MONTHS)
    weekdays = _numbers(fields[4], _FIELDS[4], 0, 6, _DAYS)
    return Cron(int(fields[0]), int(fields[1]), days, months, weekdays)


def _numbers(field: str, name: str, least: int, most: int, words: tuple[str, ...] = ()) -> frozenset[int] | None:
    if field in ("*", "?"):
        return None
    named = {word: str(number) for number, word in enumerate(words, least)}
    found = set[int]()
    for part in field.split(","):
        bounds, _, step = part.partition("/")
        first, dash, last = bounds.partition("-")
        if bounds == "*":
            first, dash, last = str(least), "-", str(most)
        first, last = named.get(first, first), named.get(last, last) if dash else named.get(first, first)
        numbers = [first, last, step or "1"]
        if not all(_NUMBER.fullmatch(number) for number in numbers):
            raise ValueError(f"{part} is not a {name}")
        start, end, width = map(int, numbers)
        if step and not dash:
            end = most
        if not (least <= start <= end <= most) or width < 1:
            raise ValueError(f"a {name} is from {least} to {most}, and {part} is not")
        found |= set(range(start, end + 1, width))
    return frozenset(found)


def cron(text: str) -> str:
    """The text, where it is cron.

    Raises:
        ValueError: it is not.
    """
    parsed(text)
    return " ".join(text.split())


def timezone(name: str) -> str:
    """The name, where it is a time zone.

    Raises:
        ValueError: it is not.
    """
    if name == "UTC":
        return name
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name} is not a time zone of the IANA database") from None
    return name


def earlier(text: str, by: timedelta) -> str | None:
    """The cron expression so much earlier, less than a day; None where days of a month or months can't be moved."""
    moved = parsed(text)
    minutes = moved.hour * 60 + moved.minute - round(by.total_seconds() / 60)
    if minutes >= 0:
        return " ".join([str(minutes % 60), str(minutes // 60), *text.split()[2:]])
    if moved.days is not None or moved.months is not None:
        return None
    minutes += 24 * 60
    days = "*" if moved.weekdays is None else ",".join(str(day) for day in sorted((d - 1) % 7 for d in moved.weekdays))
    return f"{minutes % 60} {minutes // 60} * * {days}"


def spans(start: str, end: str, zone: str, first: date, days: int) -> list[Span]:
    """The times between `start` and `end` in UTC: each begins at a start and lasts until the next end."""
    ends = list(_moments(parsed(end), zone, first, days + 366))
    found: list[Span] = []
    for begin in _moments(parsed(start), zone, first, days):
        after = bisect_right(ends, begin)
        if after < len(ends) and not (found and begin < found[-1][1]):  # else it is on already
            found.append((begin, ends[after]))
    return found


def out_of_turn(start: str, end: str, zone: str, first: date, days: int, ahead: timedelta) -> datetime | None:
    """When a start comes, `ahead` of its time, before the last one has ended, or an end that nothing began for; in UTC.

    KEDA's cron trigger is on while the next start does not come before the next end (v2.21.0 pkg/scalers/cron_scaler.go): between a
    start and its end only where they alternate.
    """
    both = ((end, False), (start, True))  # at the same time the end is first
    turns = sorted((moment, begins) for text, begins in both for moment in _moments(parsed(text), zone, first, days))
    for (before, began), (moment, begins) in pairwise(turns):
        if began == begins or (begins and moment - ahead < before):
            return moment
    return None


def _moments(moment: Cron, zone: str, first: date, days: int) -> Iterator[datetime]:
    tz = UTC if zone == "UTC" else zoneinfo.ZoneInfo(zone)
    for offset in range(days):
        day = first + timedelta(days=offset)
        if moment.on(day):
            yield datetime.combine(day, time(moment.hour, moment.minute), tz).astimezone(UTC)


def joined(found: Iterable[Span]) -> list[Span]:
    """Spans in order, where those that touch or overlap are one."""
    whole: list[Span] = []
    for begin, end in sorted(found):
        if whole and begin <= whole[-1][1]:
            whole[-1] = (whole[-1][0], max(end, whole[-1][1]))
        else:
            whole.append((begin, end))
    return whole


def words(text: str) -> str:
    """A time for people: `07:00 Mon to Fri`; days of a month and months as cron has them."""
    moment, fields = parsed(text), text.split()
    clock = f"{moment.hour:02d}:{moment.minute:02d}"
    if moment.days is not None or moment.months is not None:
        return f"{clock} (cron {' '.join(fields[2:])})"
    if moment.weekdays is None:
        return f"{clock} daily"
    days = sorted(moment.weekdays)
    names = [_DAYS[day].capitalize() for day in days]
    whole = len(days) > 2 and days[-1] - days[0] == len(days) - 1
    return f"{clock} {f'{names[0]} to {names[-1]}' if whole else ', '.join(names)}"
