"""The day by which it is decided whether what was set aside in writing still is."""

from __future__ import annotations

import datetime

# So much longer is proposed for what has ended.
_EXTENSION = datetime.timedelta(days=90)


def today() -> datetime.date:
    """The day in UTC, so that a pull request and the run after it see the same one."""
    return datetime.datetime.now(tz=datetime.UTC).date()


def holds(until: datetime.date) -> bool:
    """Whether the last day is not over."""
    return until >= today()


def later() -> datetime.date:
    """A last day to propose for what has ended."""
    return today() + _EXTENSION
