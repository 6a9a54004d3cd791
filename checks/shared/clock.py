"""The day that decides whether a written exception is in force."""

from __future__ import annotations

import datetime

# So much longer is proposed for what has ended.
_EXTENSION = datetime.timedelta(days=90)


def today() -> datetime.date:
    """The day in UTC, so that a pull request and the run after it see the same one."""
    return datetime.datetime.now(tz=datetime.UTC).date()


def holds(until: datetime.date) -> bool:
    """Whether the expiry date has not passed."""
    return until >= today()


def later() -> datetime.date:
    """An expiry date to propose for what has ended."""
    return today() + _EXTENSION
