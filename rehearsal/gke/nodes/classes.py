"""ComputeClasses: the order in which their pools are tried, and what GKE's autoscaler says of a class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rehearsal.gke.nodes.pools import COMPUTE_CLASS, Pool

_CLASS_TAINT = "Crd taint is missing for the nodepool {}."
_OTHER_CLASS = "Crd taint value doesn't match Crd name for the nodepool {}."
_NO_RULE = "Nodepool {} has an Crd label but doesn't match any priority rule."
_NO_POOL = "Nodepool {} specified by name has autoscaling disabled or doesn't exist in the cluster."


def order_of(item: Mapping[str, Any]) -> list[str]:
    """Names of a class's pools, first the one that is tried first."""
    return [name for priority in item["spec"].get("priorities") or () for name in priority.get("nodepools") or ()]


def conditions_of(item: Mapping[str, Any], pools: Iterable[Pool], time: str) -> list[dict[str, str]]:
    """Conditions in the words of GKE's autoscaler: one for each kind of fault, and Health."""
    name, by_name = item["metadata"]["name"], {pool.resource.name: pool for pool in pools}
    named = order_of(item)
    found: dict[str, tuple[str, str]] = {}
    for missing in (pool for pool in named if pool not in by_name):
        found.setdefault("CrdMisconfigured", ("NodePoolNotExist", _NO_POOL.format(missing)))
    for pool in by_name.values():
        if fault := _fault(pool, name, named):
            found.setdefault("NodepoolMisconfigured", fault)
    healthy = {"type": "Health", "status": "False" if found else "True", "reason": "Health"}
    healthy["message"] = f"Crd is {'not ' if found else ''}healthy."
    faults = [{"type": kind, "status": "True", "reason": why, "message": text} for kind, (why, text) in found.items()]
    return [{**condition, "lastTransitionTime": time} for condition in (healthy, *faults)]


def _fault(pool: Pool, name: str, named: list[str]) -> tuple[str, str] | None:
    """Reason and message; None where the pool is right, or is of another class."""
    own, label = pool.resource.name, pool.labels.get(COMPUTE_CLASS)
    values = [taint["value"] for taint in pool.taints if taint["key"] == COMPUTE_CLASS]
    if own not in named:
        return ("NoRuleMatching", _NO_RULE.format(own)) if label == name else None
    if label != name:
        return "CrdLabelNotMatching", f"Crd label doesn't match Crd name for the nodepool {own}."
    if not values:
        return "TaintMissing", _CLASS_TAINT.format(own)
    return ("TaintValueNotMatching", _OTHER_CLASS.format(own)) if values != [name] else None
