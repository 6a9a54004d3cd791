"""Node pools, nodes and pods for the tests of nodes."""

from __future__ import annotations

from typing import Any

from rehearsal.cloud import CloudResource
from rehearsal.gke.nodes import node as objects
from rehearsal.gke.nodes.pools import Pool, pool_of

Obj = dict[str, Any]
CLUSTER_TYPE, POOL_TYPE = "gcp:container/cluster:Cluster", "gcp:container/nodePool:NodePool"
TPU_SELECTOR = {
    "cloud.google.com/gke-tpu-accelerator": "tpu-v6e-slice",
    "cloud.google.com/gke-tpu-topology": "2x2",
}


def pool_resource(name: str = "tpu", machine: str = "ct6e-standard-4t", **state: Any) -> CloudResource:
    """A node pool as the gcp plugin keeps it."""
    base = {
        "name": name,
        "cluster": "serving",
        "nodeLocations": ["us-east5-a"],
        "initialNodeCount": 0,
        "autoscaling": {"minNodeCount": 0, "maxNodeCount": 2},
        "maxPodsPerNode": 32,
        **state,
        "nodeConfig": {"machineType": machine, "diskSizeGb": 200, **(state.get("nodeConfig") or {})},
    }
    link = f"projects/p/locations/us-east5/clusters/serving/nodePools/{name}"
    return CloudResource(POOL_TYPE, name, link, "p", "us-east5", base)


def pool(name: str = "tpu", machine: str = "ct6e-standard-4t", **state: Any) -> Pool:
    return pool_of(pool_resource(name, machine, **state), ())


def node(of: Pool, name: str = "node-1", zone: str = "us-east5-a", slice_name: str = "") -> Obj:
    made = objects.node(of, zone, name, slice_name or name)
    return {**made, "status": objects.status(of, name, "2026-11-24T12:00:00Z")}


def pod(name: str, chips: int = 0, cpu: str = "1", on: str = "", created: str = "2026-11-24T12:00:00Z") -> Obj:
    """A pod: pending, or on a node; one with chips is for TPU nodes of 2x2."""
    wanted: Obj = {"cpu": cpu, **({"google.com/tpu": str(chips)} if chips else {})}
    spec: Obj = {"containers": [{"name": "main", "resources": {"requests": wanted}}]}
    if chips:
        spec["nodeSelector"] = dict(TPU_SELECTOR)
        spec["tolerations"] = [{"key": "google.com/tpu", "operator": "Exists", "effect": "NoSchedule"}]
    status: Obj = {"phase": "Running"} if on else {
        "phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}],
    }  # fmt: skip
    if on:
        spec["nodeName"] = on
    metadata = {"name": name, "namespace": "ns", "uid": name, "creationTimestamp": created}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status}
