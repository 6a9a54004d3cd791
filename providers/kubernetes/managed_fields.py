"""Who owns which field of an object: managed fields as the API server keeps them.

A create leaves the fields with the manager `pulumi-kubernetes`; before the first server-side apply they are handed to
the resource's own manager (fixCSAFieldManagers in provider/pkg/await/await.go).
"""

from __future__ import annotations

import json
from typing import Any

from providers.kubernetes.values import at

KubeObject = dict[str, Any]
Fields = dict[str, Any]

_OWN = "pulumi-kubernetes"
_TAKEN_OVER = frozenset(
    {
        ("kubectl", "Apply"),
        ("kubectl", "Update"),
        ("before-first-apply", "Update"),
        ("pulumi-kubernetes", "Update"),
        ("pulumi-kubernetes.exe", "Update"),
        ("pulumi-resource-kubernetes", "Update"),
    }
)


def take_over(live: KubeObject, manager: str) -> list[dict[str, Any]]:
    """The JSON patch that hands what the old managers own to `manager`; empty where there is nothing to hand over."""
    entries = at(live, "metadata", "managedFields") or []
    taken = [e for e in entries if _key(e) in _TAKEN_OVER and not e.get("subresource")]
    if not taken:
        return []
    mine = [e for e in entries if _key(e) == (manager, "Apply")]
    merged: Fields = {}
    for entry in (*mine, *taken):
        _merge(merged, entry.get("fieldsV1") or {})
    kept = [e for e in entries if e not in taken and e not in mine]
    owner = {**taken[0], "manager": manager, "operation": "Apply", "fieldsV1": merged}
    return [
        {"op": "replace", "path": "/metadata/managedFields", "value": [*kept, owner]},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
    ]


def is_taken_over(manager: str, operation: str) -> bool:
    """Whether what a manager owns is handed to the provider before its first server-side apply."""
    return (manager, operation) in _TAKEN_OVER


def forces_preview(live: KubeObject) -> bool:
    """Whether a dry run must be forced because `take_over` comes before the real update only."""
    entries = at(live, "metadata", "managedFields") or []
    return not entries or any(e.get("operation") == "Update" and _key(e) in _TAKEN_OVER for e in entries)


def owned_by_provider(live: KubeObject) -> KubeObject | None:
    """The part of an object that this provider wrote: the inputs it was made from. None where it wrote nothing."""
    fields: Fields = {}
    for entry in at(live, "metadata", "managedFields") or []:
        if str(entry.get("manager", "")).startswith(_OWN) and not entry.get("subresource"):
            _merge(fields, entry.get("fieldsV1") or {})
    if not fields:
        return None
    metadata = {k: live["metadata"][k] for k in ("name", "namespace") if k in live["metadata"]}
    owned = _extract(live, fields)
    owned["metadata"] = {**metadata, **(owned.get("metadata") or {})}
    return {"apiVersion": live["apiVersion"], "kind": live["kind"], **owned}


def _key(entry: dict[str, Any]) -> tuple[str, str]:
    return str(entry.get("manager")), str(entry.get("operation"))


def _merge(target: Fields, source: Fields) -> None:
    for key, value in source.items():
        _merge(target.setdefault(key, {}), value)


def _extract(value: Any, fields: Fields) -> Any:
    """The owned part of a value; no fields below means that the whole value is owned."""
    if not [key for key in fields if key != "."]:
        return value
    if isinstance(value, dict):
        names = (key[2:] for key in fields if key.startswith("f:"))
        return {name: _extract(value[name], fields[f"f:{name}"]) for name in names if name in value}
    if isinstance(value, list):
        found = ((item, _below(item, index, fields)) for index, item in enumerate(value))
        return [_extract(item, below) for item, below in found if below is not None]
    return value


def _below(item: Any, index: int, fields: Fields) -> Fields | None:
    """The fields of one item of a list, found by its keys, its value or its place; None where it is not owned."""
    for key, below in fields.items():
        kind, _, text = key.partition(":")
        if kind == "k" and isinstance(item, dict) and json.loads(text).items() <= item.items():
            return dict(below)
        if (kind == "v" and item == json.loads(text)) or (kind == "i" and index == int(text)):
            return dict(below)
    return None
