"""A declared node pool and its nodes, as GKE registers them. Data: `machine_sizes.yaml` and TPU shapes of the catalogue."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from catalog.files import read_yaml
from catalog.tpu import find_shape, generations
from providers.google.trees import get
from rehearsal.cloud import CloudResource

Node = Mapping[str, Any]
NODE_LABEL = "rehearsal.tpu-serving/node"
SLICE_LABEL = "rehearsal.tpu-serving/slice"
# Of nodes that `rehearse --drain` has GKE upgrade.
UPGRADE_LABEL = "rehearsal.tpu-serving/upgrade"
POOL_LABEL = "cloud.google.com/gke-nodepool"
ZONE_LABEL = "topology.kubernetes.io/zone"
COMPUTE_CLASS = "cloud.google.com/compute-class"
_EFFECTS = {"NO_SCHEDULE": "NoSchedule"}
_CHIPS, _PREFIX = "cloud.google.com/gke-accelerator-count", "cloud.google.com/gke-tpu-"


@dataclass(frozen=True)
class Pool:
    """`unit` nodes are made and removed together: the hosts of a slice."""

    resource: CloudResource
    unit: int
    labels: Mapping[str, str]
    taints: tuple[Mapping[str, str], ...]
    status: Mapping[str, Mapping[str, str]]

    @property
    def purchase(self) -> str:
        """How its machines are bought, as `capacity.purchase` names it."""
        kinds = {"gke-spot": "spot", "gke-flex-start": "flexStart", "reservation-name": "reservation"}
        found = (kind for label, kind in kinds.items() if f"cloud.google.com/{label}" in self.labels)
        return next(found, "onDemand")

    def bound(self, kind: str) -> int:
        """`Min` or `Max` of the whole pool: a pool of one zone has bounds of the zone, one of several has total ones."""
        scaling = self.resource.state["autoscaling"]
        return int(scaling.get(f"total{kind}NodeCount") or scaling.get(f"{kind.lower()}NodeCount") or 0)

    def new(self, zone: str, taken: Collection[str]) -> list[Node]:
        """Nodes that come together; names are `gke-CLUSTER-POOL-GROUP-0001`, at most 63 characters."""
        cluster, group = self.resource.state["cluster"].rpartition("/")[2], f"{self.resource.id}/{zone}"
        prefix = "-".join(("gke", cluster[:20].rstrip("-"), self.resource.name[:20].rstrip("-"), ""))
        prefix += hashlib.sha256(group.encode()).hexdigest()[:8]
        names = [name for number in range(1, 1000) if (name := f"{prefix}-{number:04d}") not in taken][: self.unit]
        of_slice = {**self.labels, ZONE_LABEL: zone, SLICE_LABEL: names[0]}
        labels = [{**of_slice, "kubernetes.io/hostname": name} for name in names]
        node = {"apiVersion": "v1", "kind": "Node", "spec": {"taints": list(self.taints)}, "status": self.status}
        return [{**node, "metadata": {"name": name, "labels": own}} for name, own in zip(names, labels, strict=True)]


def pool_of(resource: CloudResource, policies: Iterable[CloudResource]) -> Pool:
    """A pool from what the cloud holds. `policies` are the resource policies, of which one may name a slice's topology.

    Raises:
        ValueError: it is not emulated; the message says what.
    """
    state, config = resource.state, resource.state["nodeConfig"]
    policy = str(get(state, "placementPolicy.policyName")).rpartition("/")[2]
    topologies = [get(item.state, "workloadPolicy.acceleratorTopology") for item in policies if item.name == policy]
    vcpus, gib, labels, unit = _machine(config["machineType"], get(state, "placementPolicy.tpuTopology"), *topologies)
    rest = {"pods": str(state["maxPodsPerNode"]), "ephemeral-storage": f"{config['diskSizeGb']}Gi"}
    rest |= {"google.com/tpu": labels[_CHIPS]} if labels else {}
    labels |= {"node.kubernetes.io/instance-type": config["machineType"], POOL_LABEL: resource.name, NODE_LABEL: "true"}
    taints = (
        [{"key": "google.com/tpu", "value": "present", "effect": "NO_SCHEDULE"}] if "google.com/tpu" in rest else []
    )
    taints = [{**taint, "effect": _EFFECTS[taint["effect"]]} for taint in (*taints, *config.get("taints", ()))]
    labels |= dict(config.get("labels") or {})
    labels |= {"kubernetes.io/os": "linux", "topology.kubernetes.io/region": str(resource.location)}
    for field, kind in {"spot": "gke-spot", "flexStart": "gke-flex-start"}.items():
        labels |= {f"cloud.google.com/{kind}": "true"} if config.get(field) else {}
    if reservation := get(config, "reservationAffinity.values"):
        labels["cloud.google.com/reservation-name"] = reservation[0].rpartition("/")[2]
    # GKE's own share of a node is not taken off. The rest of the status is the kubelet's.
    amounts = {"cpu": str(vcpus), "memory": f"{round(gib * 1024)}Mi", **rest}
    return Pool(resource, unit, labels, tuple(taints), {"capacity": amounts, "allocatable": amounts})


def _machine(machine_type: str, *topologies: str | None) -> tuple[int, float, dict[str, str], int]:
    """vCPUs, GiB of memory, labels of its TPU, hosts of its slice; without a topology that of one host."""
    sizes = read_yaml("machine_sizes.yaml")
    for name, generation in generations().items():
        if facts := generation.machines.get(machine_type):
            topology = next(filter(None, topologies), facts.single_host[0])
            shape, known = find_shape(name, topology, machine_type), sizes["tpu"].get(machine_type, {})
            assert shape is not None  # the cloud refuses other shapes
            labels = {
                f"{_PREFIX}accelerator": generation.node_label,
                f"{_PREFIX}topology": topology,
                _CHIPS: str(facts.chips),
            }
            return facts.vcpus or known["vcpus"], facts.memory_gib or known["memoryGib"], labels, shape.hosts
    family, kind, count = (*machine_type.split("-"), "", "")[:3]
    ratio = get(sizes["memoryPerVcpu"], f"{family}.{kind}")
    if ratio is None:
        raise ValueError(f"not emulated: nodes of the machine type {machine_type}, whose size is not known")
    return int(count), int(count) * ratio, {}, 1
