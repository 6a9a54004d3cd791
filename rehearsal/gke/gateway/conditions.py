"""Conditions: made without time, completed with what the object had before, so that nothing is written for nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Condition = dict[str, Any]


def condition(kind: str, holds: bool, reason: str, message: str = "") -> Condition:
    """A condition without time and generation."""
    return {"type": kind, "status": "True" if holds else "False", "reason": reason, "message": message}


def complete(
    wanted: Sequence[Condition], before: Sequence[Mapping[str, Any]], generation: int, now: str
) -> list[Condition]:
    """The conditions with generation and time: a condition whose status is as before keeps its time."""
    known = {item["type"]: item for item in before}
    done = []
    for item in wanted:
        old = known.get(item["type"])
        since = old["lastTransitionTime"] if old and old["status"] == item["status"] else now
        done.append({**item, "observedGeneration": generation, "lastTransitionTime": since})
    return done


def equal(one: Any, other: Any) -> bool:
    """Whether two statuses are the same; lists of conditions have no order."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(equal(a, b) for a, b in zip(_sorted(one), _sorted(other), strict=True))
    return bool(one == other)


def _sorted(items: list[Any]) -> list[Any]:
    if all(isinstance(item, Mapping) and "lastTransitionTime" in item for item in items):
        return sorted(items, key=lambda item: str(item["type"]))
    return items
