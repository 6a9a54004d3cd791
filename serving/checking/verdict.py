"""How a question can end, and how that is shown."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Verdict(StrEnum):
    """Worst last: what holds several results has the worst of their verdicts."""

    PASS = "pass"
    WARN = "warn"
    UNKNOWN = "unknown"
    FAIL = "fail"

    @property
    def words(self) -> str:
        """For people."""
        return "could not ask" if self is Verdict.UNKNOWN else self.value

    @property
    def colour(self) -> str:
        """On a terminal."""
        return _COLOURS[self]


_COLOURS = {Verdict.PASS: "green", Verdict.WARN: "yellow", Verdict.UNKNOWN: "magenta", Verdict.FAIL: "red"}
_ORDER = list(Verdict)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The one that decides; there is at least one."""
    return max(verdicts, key=_ORDER.index)
