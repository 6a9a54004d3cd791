"""Whether a pod fits a node: selector, affinity, taints and free resources, as the scheduler looks at them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from kubernetes.utils.quantity import parse_quantity

Resources = dict[str, Decimal]
Obj = Mapping[str, Any]

_UNMATCHED = "node(s) didn't match Pod's node affinity/selector"


def parse(quantities: Mapping[str, Any]) -> Resources:
    """`{"cpu": "4", "memory": "1Gi"}` as numbers."""
    return {name: Decimal(parse_quantity(value)) for name, value in quantities.items()}  # type: ignore[no-untyped-call]


def requests(pod: Obj) -> Resources:
    """What a pod asks for: its containers together, or the largest of its init containers if that is more."""
    spec = pod["spec"]
    total: Resources = {"pods": Decimal(1)}
    for container in spec["containers"]:
        _add(total, _asked(container))
    sidecars: Resources = {}
    for container in spec.get("initContainers") or ():
        if container.get("restartPolicy") == "Always":
            _add(total, _asked(container))
            _add(sidecars, _asked(container))
            continue
        for name, amount in _asked(container).items():
            total[name] = max(total.get(name, Decimal(0)), amount + sidecars.get(name, Decimal(0)))
    return total


def _asked(container: Obj) -> Resources:
    resources = container.get("resources") or {}
    return parse({**(resources.get("limits") or {}), **(resources.get("requests") or {})})


def _add(total: Resources, more: Resources) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, Decimal(0)) + amount


def refusal(pod: Obj, labels: Mapping[str, str], taints: Iterable[Obj], free: Resources) -> str | None:
    """Why a pod does not fit, in the autoscaler's words; None where it fits."""
    spec = pod["spec"]
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return _UNMATCHED
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    if affinity and not any(_term(labels, term) for term in affinity["nodeSelectorTerms"]):
        return _UNMATCHED
    for taint in taints:
        if taint["effect"] != "PreferNoSchedule" and not _tolerated(taint, spec.get("tolerations") or ()):
            return f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"
    for name, amount in requests(pod).items():
        if amount > free.get(name, Decimal(0)):
            return "Too many pods" if name == "pods" else f"Insufficient {name}"
    return None


def _term(labels: Mapping[str, str], term: Obj) -> bool:
    """A term with fields (a node's name) never matches a node that is not there yet."""
    expressions = term.get("matchExpressions") or ()
    return not term.get("matchFields") and bool(expressions) and all(_expression(labels, item) for item in expressions)


def _expression(labels: Mapping[str, str], item: Obj) -> bool:
    value, values = labels.get(item["key"]), item.get("values") or []
    match item["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt":
            return value is not None and int(value) > int(values[0])
        case _:
            return value is not None and int(value) < int(values[0])


def _tolerated(taint: Obj, tolerations: Iterable[Obj]) -> bool:
    return any(
        item.get("effect") in (None, "", taint["effect"])
        and (
            (not item.get("key") and item.get("operator") == "Exists")
            or (
                item.get("key") == taint["key"]
                and (item.get("operator") == "Exists" or item.get("value", "") == taint.get("value", ""))
            )
        )
        for item in tolerations
    )
