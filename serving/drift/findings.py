"""What drift finds: kinds of differences, and what becomes of each at the next `up`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from providers.kubernetes.differences import render
from serving.checking.findings import Finding, Verdict
from serving.drift.ownership import Path, Writer

_LONGEST = 80
_MARK = "..."


class Kind(StrEnum):
    """The sections of the runbook that drift can name."""

    CHANGED = "field-changed"
    NOT_APPLIED = "change-not-applied"
    ADDED = "field-added"
    MISSING = "object-missing"
    EXTRA = "object-extra"
    RELEASE = "release-differs"
    CHART = "chart-object-changed"
    GOOGLE = "google-differs"


class Action(StrEnum):
    """What an `up` does about a finding."""

    NOTHING = "nothing"
    REVERT = "revert"
    CONFLICT = "conflict"
    REPLACE = "replace"
    CREATE = "create"
    DELETE = "delete"
    DEPENDS = "depends"


MEANINGS = {
    Action.NOTHING: "it stays as it is: up compares the plan with the state, not with the cluster",
    Action.REVERT: "the planned value is written again",
    Action.CONFLICT: "up fails: another field manager owns the field (pulumi.com/patchForce takes it over)",
    Action.REPLACE: "the object is deleted and made again: the field can't be changed in place",
    Action.CREATE: "the object is made again",
    Action.DELETE: "the object is deleted, where it is in the state of this stack",
    Action.DEPENDS: "written if the environment's file is newer than the last up, else nothing",
}


@dataclass(frozen=True)
class Drift(Finding):
    """A difference; one that a controller makes by design is no failure, and its message says why.

    `path` is empty for a whole object; `next_up` is plain `up`, `refreshed` is `up --refresh`.
    """

    next_up: Action = Action.NOTHING
    refreshed: Action = Action.NOTHING
    path: Path = ()
    wanted: Any = None
    found: Any = None
    writer: Writer | None = None

    @property
    def place(self) -> str:
        """The field as people write it."""
        return render(self.path)

    @property
    def summary(self) -> str:
        """The field, and what there is to say of it."""
        return " ".join(filter(None, (self.place, self.message)))

    def seen(self) -> Iterator[tuple[str, str]]:
        """Field, values, writer, and what an `up` does about it."""
        yield "Field", self.place
        if self.path:
            wanted, found = _both(self.wanted, self.found)
            yield "Wanted", wanted
            yield "Found", found
        yield "Writer", _written(self.writer)
        yield "Next up", f"{self.next_up}: {MEANINGS[self.next_up]}"
        if self.refreshed is not self.next_up:
            yield "Refresh", f"{self.refreshed}: {MEANINGS[self.refreshed]}"
        yield "Note", self.message

    def as_json(self) -> dict[str, Any]:
        """The shape that `--format json` prints: that of any finding, and the difference."""
        return {
            **super().as_json(),
            "field": self.place or None,
            "wanted": self.wanted,
            "found": self.found,
            "lastWriter": self.writer.as_json() if self.writer else None,
            "nextUp": self.next_up.value,
            "nextUpWithRefresh": self.refreshed.value,
        }


def drifted(
    kind: Kind,
    name: str,
    next_up: Action,
    refreshed: Action,
    path: Path = (),
    wanted: Any = None,
    found: Any = None,
    writer: Writer | None = None,
    message: str = "",
) -> Drift:
    """A difference that nobody meant."""
    return Drift(Verdict.FAIL, name, message, next_up, refreshed, path, wanted, found, writer, failure=kind)


def designed(name: str, path: Path, writer: Writer | None, why: str) -> Drift:
    """A difference that a controller makes by design."""
    return Drift(Verdict.PASS, name, why, path=path, writer=writer)


def _written(writer: Writer | None) -> str:
    if writer is None:
        return "nobody: not in the managed fields"
    return f"{writer.manager} ({writer.operation})" + (f", {writer.time}" if writer.time else "")


def _both(wanted: Any, found: Any) -> tuple[str, str]:
    """Two values, each on one line; of long ones the part from shortly before where they part."""
    texts = (_one_line(wanted), _one_line(found))
    if max(map(len, texts)) <= _LONGEST:
        return texts
    parting = next((n for n, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), min(map(len, texts)))
    start = max(0, parting - _LONGEST // 4)
    return _cut(texts[0], start), _cut(texts[1], start)


def _one_line(value: Any) -> str:
    if value is None:
        return "not there"
    if isinstance(value, str) and value and value == " ".join(value.split()):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _cut(text: str, start: int) -> str:
    part = (_MARK if start else "") + text[start:]
    return part if len(part) <= _LONGEST else part[: _LONGEST - len(_MARK)] + _MARK
