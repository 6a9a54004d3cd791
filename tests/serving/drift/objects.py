"""Objects with managed fields as the API server keeps them: maps field by field, lists as wholes."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

from serving.checking.findings import Finding, Report, Verdict
from serving.drift.findings import Drift
from serving.drift.object_drift import Policy, policy_of

Obj = dict[str, Any]
ENGINE, APPLIER, PERSON = "pulumi-kubernetes", "pulumi-kubernetes-4f1c", "kubectl-edit"


def drifts(findings: Iterable[Finding]) -> list[Drift]:
    """Differences that nobody meant."""
    return [item for item in findings if isinstance(item, Drift) and item.verdict is Verdict.FAIL]


def designed(findings: Iterable[Finding]) -> list[Drift]:
    """Differences that a controller makes by design."""
    return [item for item in findings if isinstance(item, Drift) and item.verdict is Verdict.PASS]


def unasked(findings: Iterable[Finding]) -> list[Finding]:
    """What could not be asked."""
    return [item for item in findings if item.verdict is Verdict.UNKNOWN]


def findings_of(report: Report) -> list[Finding]:
    """The findings of all checks."""
    return [finding for outcome in report.outcomes for finding in outcome.findings]


def fields_of(value: Any) -> Obj:
    """FieldsV1 of everything in a map."""
    return {f"f:{key}": fields_of(inner) if isinstance(inner, dict) and inner else {} for key, inner in value.items()}


def entry(manager: str, value: Any, operation: str = "Update", time: str = "2026-11-27T10:00:00Z", **more: str) -> Obj:
    """One entry of managed fields, for what is in `value`."""
    own = {"manager": manager, "operation": operation, "time": time, "fieldsType": "FieldsV1"}
    return {**own, "fieldsV1": fields_of(value), **more}


def healthy(planned: Obj, manager: str = ENGINE, operation: str = "Update") -> Obj:
    """The object as the server has it after the engine wrote it."""
    live = copy.deepcopy(planned)
    written = {key: value for key, value in planned.items() if key not in ("apiVersion", "kind")}
    owned = {**written, "metadata": {k: v for k, v in planned["metadata"].items() if k not in ("name", "namespace")}}
    live["metadata"] |= {"uid": "u", "resourceVersion": "7", "generation": 1}
    live["metadata"]["managedFields"] = [entry(manager, owned, operation)]
    return live


def edit(
    live: Obj, path: tuple[str, ...], value: Any, manager: str = PERSON, time: str = "2026-11-27T11:00:00Z"
) -> None:
    """Write one field as another manager with an update does: it is that manager's alone from then on."""
    for item in live["metadata"]["managedFields"]:
        _drop(item["fieldsV1"], path)
    _set(live, path, value)
    whole: Obj = {}
    _set(whole, path, value)
    live["metadata"]["managedFields"].append(entry(manager, whole, time=time))


def remove(live: Obj, path: tuple[str, ...]) -> None:
    """Take one field away: nobody owns it afterwards."""
    for item in live["metadata"]["managedFields"]:
        _drop(item["fieldsV1"], path)
    target = live
    for key in path[:-1]:
        target = target[key]
    del target[path[-1]]


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of everything in a map that is not a map itself."""
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from leaves(inner, (*path, key))
        else:
            yield (*path, key)


def policy(planned: Obj, *, force: bool = False) -> Policy:
    """How the provider writes it."""
    return policy_of(planned, provider_force=force)


def _drop(fields: Obj, path: tuple[str, ...]) -> None:
    name = f"f:{path[0]}"
    if len(path) == 1:
        fields.pop(name, None)
    elif name in fields:
        _drop(fields[name], path[1:])
        # Without fields below it would mean the whole value.
        fields[name] = fields[name] or {".": {}}


def _set(target: Obj, path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        target = target.setdefault(key, {})
    target[path[-1]] = value
