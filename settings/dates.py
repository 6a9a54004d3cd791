"""Dates and times as YAML reads them, and as the engine hands them over: as Go writes them (seen with the CLI 3.259.0)."""

from __future__ import annotations

import datetime
import re
from typing import Any

_YEARS = (2000, 2999)
_GO_MIDNIGHT = " 00:00:00 +0000 UTC"


def iso_date(value: Any) -> Any:
    """A date from text, also as Go writes it."""
    return datetime.date.fromisoformat(value.removesuffix(_GO_MIDNIGHT)) if isinstance(value, str) else value


def iso_time(value: Any) -> Any:
    """A time from text, also as Go writes it: 2026-12-19 00:00:00 +0000 UTC.

    Raises:
        ValueError: it is not one, or it is none that sums with days could be made of.
    """
    if isinstance(value, str):
        try:
            value = datetime.datetime.fromisoformat(re.sub(r" ([-+]\d\d)(\d\d) \S+$", r"\1:\2", value))
        except ValueError:
            value = None
    if not isinstance(value, datetime.datetime):
        raise ValueError("This is not a date with a time")
    if value.tzinfo is None:
        raise ValueError("The time has no zone")
    if not _YEARS[0] <= value.year <= _YEARS[1]:
        raise ValueError(f"The year is not one from {_YEARS[0]} to {_YEARS[1]}")
    return value


def as_go(value: datetime.date) -> str:
    """A date or time as the engine hands it over."""
    if not isinstance(value, datetime.datetime):
        return f"{value}{_GO_MIDNIGHT}"
    zone = f"{value:%z}" or "+0000"
    return f"{value:%Y-%m-%d %H:%M:%S} {zone} {'UTC' if zone == '+0000' else zone}"
