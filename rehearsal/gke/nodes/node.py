"""Node objects as GKE registers them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from typing import Any

from rehearsal.gke.nodes.machines import capacity
from rehearsal.gke.nodes.pools import NODE_LABEL, POOL_LABEL, SLICE_ANNOTATION, Pool

Obj = dict[str, Any]


def names(pool: Pool, zone: str, taken: Collection[str]) -> Iterator[str]:
    """Free node names, `gke-CLUSTER-POOL-GROUP-0001`, at most 63 characters."""
    group = hashlib.sha256(f"{pool.id}/{zone}".encode()).hexdigest()[:8]
    prefix = f"gke-{pool.cluster[:20].rstrip('-')}-{pool.name[:20].rstrip('-')}-{group}"
    return (name for index in range(1, 10_000) if (name := f"{prefix}-{index:04d}") not in taken)


def node(pool: Pool, zone: str, name: str, slice_name: str) -> Obj:
    """The object without its status. `slice_name` is common to the nodes that come and go together."""
    family = pool.machine.type.partition("-")[0]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                **pool.labels,
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "node.kubernetes.io/instance-type": pool.machine.type,
                "topology.kubernetes.io/region": pool.region,
                "topology.kubernetes.io/zone": zone,
                "cloud.google.com/machine-family": family,
                POOL_LABEL: pool.name,
                NODE_LABEL: "true",
            },
            "annotations": {SLICE_ANNOTATION: slice_name},
        },
        "spec": {
            "providerID": f"gce://{pool.project}/{zone}/{name}",
            **({"taints": [dict(taint) for taint in pool.taints]} if pool.taints else {}),
        },
    }


def status(pool: Pool, name: str, now: str) -> Obj:
    """What a node says of itself when it registers; the kubelet keeps its condition from then on."""
    total, allocatable = capacity(pool.machine, pool.disk_gib, pool.max_pods)
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "kubelet is posting ready status",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }
    return {
        "capacity": total,
        "allocatable": allocatable,
        "conditions": [ready],
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": name}],
    }
