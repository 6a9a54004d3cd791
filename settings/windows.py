"""The maintenance window that counts: as written, or production's own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True)
class Window:
    """A window that recurs: when it opens first and closes that time, and how it recurs (RFC 5545, days in UTC)."""

    start: datetime
    end: datetime
    recurrence: str

    @property
    def length(self) -> timedelta:
        """How long it is open each time."""
        return self.end - self.start


# A weekend is nobody's busiest time; eight hours are enough for GKE in any 32 days too, its limit until 2026 (CL17).
PRODUCTION = Window(datetime(2026, 1, 3, 1, tzinfo=UTC), datetime(2026, 1, 3, 9, tzinfo=UTC), "FREQ=WEEKLY;BYDAY=SA,SU")


def utc(moment: datetime) -> str:
    """RFC 3339 in UTC, as GKE answers it: another zone would be a difference at every preview."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def written(window: Window) -> str:
    """The window as a file has it."""
    return f'{{start: {utc(window.start)}, end: {utc(window.end)}, recurrence: "{window.recurrence}"}}'
