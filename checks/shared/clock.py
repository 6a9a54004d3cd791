"""The day on which it is decided whether what was set aside in writing still is."""

from __future__ import annotations

import datetime


def today() -> datetime.date:
    """The day in UTC, so that a pull request and the run after it see the same one."""
    return datetime.datetime.now(tz=datetime.UTC).date()
