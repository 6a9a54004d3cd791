"""Conditions of an object: true, false with the controller's words, or not written (yet, or for an older generation)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from serving.checking.findings import Finding, failed, passed

NOT_WRITTEN = "status-not-written"


def judge(
    name: str,
    conditions: Iterable[Mapping[str, Any]] | None,
    wanted: Mapping[str, str],
    generation: int | None,
) -> list[Finding]:
    """One result: all wanted conditions true, or a result for each that is not.

    Args:
        name: the object, for people.
        wanted: type of condition -> name of the failure when it is not true.
        generation: of the object's specification; a condition of an older one says nothing about this one.
    """
    by_type = {item["type"]: item for item in conditions or ()}
    wrong = []
    for kind, failure in wanted.items():
        item = by_type.get(kind)
        observed = (item or {}).get("observedGeneration", generation)
        if item is None:
            wrong.append(failed(NOT_WRITTEN, name, f"the controller has not written the condition {kind}"))
        elif generation is not None and observed < generation:
            text = f"the condition {kind} is of generation {observed}, the object is at {generation}"
            wrong.append(failed(NOT_WRITTEN, name, text))
        elif item["status"] != "True":
            wrong.append(failed(failure, name, says(item)))
    return wrong or [passed(name, ", ".join(wanted))]


def says(condition: Mapping[str, Any]) -> str:
    """`Accepted=False (Invalid): message`."""
    reason = f" ({condition['reason']})" if condition.get("reason") else ""
    message = f": {condition['message']}" if condition.get("message") else ""
    return f"{condition['type']}={condition['status']}{reason}{message}"


def generation_of(item: Mapping[str, Any]) -> int | None:
    """The generation of an object's specification."""
    value = item["metadata"].get("generation")
    return int(value) if value is not None else None
