"""What drift finds: kinds of findings, what becomes of each at the next `up`, and the report of all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from providers.kubernetes.differences import render
from serving.checking.failures import find_failure
from serving.drift.ownership import Path, Writer


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
class Finding:
    """One difference. `path` is empty for a whole object; `next_up` is plain `up`, `refreshed` is `up --refresh`."""

    kind: Kind
    object: str
    next_up: Action
    refreshed: Action
    path: Path = ()
    wanted: Any = None
    found: Any = None
    writer: Writer | None = None
    message: str = ""

    @property
    def place(self) -> str:
        """The field as people write it."""
        return render(self.path)

    @property
    def runbook(self) -> str:
        """Its section of the runbook."""
        return find_failure(self.kind).anchor

    def as_json(self) -> dict[str, Any]:
        """The shape that `--format json` prints."""
        return {
            "kind": self.kind.value,
            "object": self.object,
            "field": self.place or None,
            "wanted": self.wanted,
            "found": self.found,
            "lastWriter": self.writer.as_json() if self.writer else None,
            "nextUp": self.next_up.value,
            "nextUpWithRefresh": self.refreshed.value,
            "message": self.message or None,
            "runbook": self.runbook,
        }


@dataclass(frozen=True)
class Designed:
    """A difference that a controller makes by design, and why."""

    object: str
    place: str
    manager: str
    why: str

    def as_json(self) -> dict[str, str]:
        """The shape that `--format json` prints."""
        return {"object": self.object, "field": self.place, "manager": self.manager, "why": self.why}


@dataclass(frozen=True)
class Unasked:
    """Something that could not be asked, by name. `decides`: without it nobody can say that there is no drift."""

    what: str
    failure: str
    message: str
    decides: bool = True

    def as_json(self) -> dict[str, Any]:
        """The shape that `--format json` prints."""
        anchor = find_failure(self.failure).anchor
        return {"what": self.what, "failure": self.failure, "message": self.message, "runbook": anchor}


@dataclass
class Report:
    """Everything about one environment. `where` says what was looked at, `seconds` how long it took."""

    environment: str
    where: str
    objects: int = 0
    releases: int = 0
    chart_objects: int = 0
    findings: list[Finding] = field(default_factory=list)
    designed: list[Designed] = field(default_factory=list)
    unasked: list[Unasked] = field(default_factory=list)
    not_looked_at: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """0 without drift, 1 with it or where nobody can say."""
        return int(bool(self.findings) or any(item.decides for item in self.unasked))

    @property
    def line(self) -> str:
        """The verdict in one line."""
        if self.findings:
            objects = len({finding.object for finding in self.findings})
            return f"drift: {_count(len(self.findings), 'finding')} in {_count(objects, 'object')}"
        decisive = [item for item in self.unasked if item.decides]
        if decisive:
            first = decisive[0]
            return f"not known: {first.failure}: {first.what}: {' '.join(first.message.split())}"
        return "no drift" + (f"; {_count(len(self.unasked), 'question')} could not be asked" if self.unasked else "")

    @property
    def looked_at(self) -> str:
        """How much was looked at."""
        return (
            f"{_count(self.objects, 'object')} of the plan, {_count(self.releases, 'Helm release')} "
            f"with {_count(self.chart_objects, 'object')}"
        )

    def as_json(self) -> dict[str, Any]:
        """The shape that `--format json` prints."""
        return {
            "environment": self.environment,
            "verdict": self.line,
            "drift": bool(self.findings),
            "lookedAt": {
                "where": self.where,
                "objects": self.objects,
                "releases": self.releases,
                "chartObjects": self.chart_objects,
            },
            "findings": [finding.as_json() for finding in self.findings],
            "asDesigned": [item.as_json() for item in self.designed],
            "couldNotAsk": [item.as_json() for item in self.unasked],
            "notLookedAt": self.not_looked_at,
            "seconds": round(self.seconds, 2),
        }


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")
