"""The upgrade of a model's node as GKE does it: the node is drained and deleted, and another one comes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import cluster as kube
from manifests.monitoring import WORKLOAD
from rehearsal.gke.nodes.pools import SLICE_LABEL, UPGRADE_LABEL

_LOOK_SECONDS = 0.2
# An hour for the disruption budgets, and a start, are seconds in a rehearsal.
_LIMIT_SECONDS = 600.0


class DrainError(Exception):
    """No node can be drained, or the model does not come back; the message says which."""


@dataclass(frozen=True)
class Drained:
    """The nodes (of a slice of several hosts all), and after how many seconds they were gone and all replicas ready."""

    nodes: tuple[str, ...]
    gone_seconds: float
    ready_seconds: float


def drain(client: kube.DynamicClient, namespace: str, model: str, tell: Callable[[str], None]) -> Drained:
    """Upgrade the slice of one of the model's pods, and wait until as many pods are ready as before.

    Raises:
        DrainError: it has no ready pod, or does not come back.
    """
    before = _ready(client, namespace, model)
    if not before:
        raise DrainError(f"{model} has no ready pod")
    name = before[min(before)]
    node = kube.get(client, "v1", "Node", name)
    if node is None:
        raise DrainError(f"the node {name} of {model} is gone")
    selector = f"{SLICE_LABEL}={node['metadata']['labels'][SLICE_LABEL]}"
    nodes = {n["metadata"]["name"]: n for n in kube.list_objects(client, "v1", "Node", label_selector=selector)}
    tell(f"draining {', '.join(nodes)}")
    started = time.monotonic()
    for one in nodes:
        marked = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": one, "labels": {UPGRADE_LABEL: "true"}}}
        kube.apply(client, marked, manager="gke-upgrade")
    uids, gone = {n["metadata"]["uid"] for n in nodes.values()}, 0.0
    while time.monotonic() - started < _LIMIT_SECONDS:
        there = {n["metadata"]["uid"] for n in kube.list_objects(client, "v1", "Node")}
        if not gone and uids.isdisjoint(there):
            gone = time.monotonic() - started
            tell(f"{', '.join(nodes)} gone after {gone:.1f} s")
        ready = _ready(client, namespace, model)
        if gone and len(ready) >= len(before):
            return Drained(tuple(nodes), gone, time.monotonic() - started)
        time.sleep(_LOOK_SECONDS)
    missing = (
        f"{len(before) - len(ready)} of {len(before)} pods are not ready again" if gone else "its node is still there"
    )
    raise DrainError(f"{model}: {missing} after {_LIMIT_SECONDS:.0f} s")


def _ready(client: kube.DynamicClient, namespace: str, model: str) -> dict[str, str]:
    """Name of each ready pod of the model that stays, and of its node."""
    selector = ",".join(f"{key}={value}" for key, value in {"app.kubernetes.io/name": model, **WORKLOAD}.items())
    found = {}
    for pod in kube.list_objects(client, "v1", "Pod", namespace, label_selector=selector):
        said = {item["type"]: item["status"] for item in (pod.get("status") or {}).get("conditions") or ()}
        if said.get("Ready") == "True" and not pod["metadata"].get("deletionTimestamp"):
            found[pod["metadata"]["name"]] = pod["spec"]["nodeName"]
    return found
