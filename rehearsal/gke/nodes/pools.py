"""A declared node pool, as far as its nodes depend on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from catalog.tpu import chips_of, find_shape, generations
from rehearsal.cloud import CloudResource
from rehearsal.gke.nodes.machines import Machine, machine

NODE_LABEL = "rehearsal.tpu-serving/node"
POOL_LABEL = "cloud.google.com/gke-nodepool"
SLICE_ANNOTATION = "rehearsal.tpu-serving/slice"
_EFFECTS = {"NO_SCHEDULE": "NoSchedule", "PREFER_NO_SCHEDULE": "PreferNoSchedule", "NO_EXECUTE": "NoExecute"}
_DEFAULT_MACHINE, _DEFAULT_DISK_GIB, _DEFAULT_PODS = "e2-medium", 100, 110


@dataclass(frozen=True)
class Pool:
    """`unit` nodes are made and removed together: the hosts of a slice. `maximum` is None for a pool of a fixed size."""

    id: str
    name: str
    cluster: str
    project: str
    region: str
    zones: tuple[str, ...]
    machine: Machine
    labels: Mapping[str, str]
    taints: tuple[Mapping[str, str], ...]
    disk_gib: int
    max_pods: int
    unit: int
    initial: int
    minimum: int
    zone_maximum: int | None
    maximum: int | None

    @property
    def family(self) -> str:
        """The quota family of its chips; "" without TPU."""
        return generations()[self.machine.generation].quota_family if self.machine.generation else ""


def pool_of(resource: CloudResource, policies: Iterable[CloudResource]) -> Pool:
    """A pool from what the cloud holds. `policies` are the resource policies, which name a slice's topology.

    Raises:
        ValueError: the size of its machine type is not known.
    """
    state = resource.state
    config = state.get("nodeConfig") or {}
    facts = machine(config.get("machineType") or _DEFAULT_MACHINE)
    zones = tuple(state["nodeLocations"])
    topology = _topology(state, facts, policies)
    shape = find_shape(facts.generation, topology, facts.type) if topology else None
    scaling = state.get("autoscaling")
    return Pool(
        id=resource.id,
        name=resource.name,
        cluster=str(state["cluster"]).rsplit("/", 1)[-1],
        project=resource.project,
        region="-".join(zones[0].split("-")[:2]),
        zones=zones,
        machine=facts,
        labels=_labels(config, facts, topology),
        taints=tuple(_taints(config, facts)),
        disk_gib=int(config.get("diskSizeGb") or _DEFAULT_DISK_GIB),
        max_pods=int(state.get("maxPodsPerNode") or _DEFAULT_PODS),
        unit=shape.hosts if shape else 1,
        initial=int(state.get("initialNodeCount") or 0),
        minimum=_bound(scaling, "MinNodeCount", len(zones)) or 0,
        zone_maximum=(scaling or {}).get("maxNodeCount"),
        maximum=_bound(scaling, "MaxNodeCount", len(zones)),
    )


def _bound(scaling: Mapping[str, Any] | None, key: str, zones: int) -> int | None:
    """A bound of the whole pool: the total one, or that of a zone times the zones."""
    if not scaling:
        return None
    total = scaling.get(f"total{key}")
    return int(total) if total else int(scaling.get(key[0].lower() + key[1:]) or 0) * zones


def _topology(state: Mapping[str, Any], facts: Machine, policies: Iterable[CloudResource]) -> str:
    if not facts.chips:
        return ""
    placement = state.get("placementPolicy") or {}
    if placement.get("tpuTopology"):
        return str(placement["tpuTopology"])
    if placement.get("policyName"):
        name = str(placement["policyName"]).rsplit("/", 1)[-1]
        workload = next((p.state.get("workloadPolicy") or {} for p in policies if p.name == name), {})
        if workload.get("acceleratorTopology"):
            return str(workload["acceleratorTopology"])
    single = generations()[facts.generation].machines[facts.type].single_host
    return next((topology for topology in single if chips_of(topology) == facts.chips), "")


def _labels(config: Mapping[str, Any], facts: Machine, topology: str) -> dict[str, str]:
    labels: dict[str, str] = {**(config.get("labels") or {})}
    if facts.chips:
        labels["cloud.google.com/gke-tpu-accelerator"] = generations()[facts.generation].node_label
        labels["cloud.google.com/gke-tpu-topology"] = topology
        labels["cloud.google.com/gke-accelerator-count"] = str(facts.chips)
    if config.get("spot"):
        labels["cloud.google.com/gke-spot"] = "true"
    if config.get("flexStart"):
        labels["cloud.google.com/gke-flex-start"] = "true"
    affinity = config.get("reservationAffinity") or {}
    if affinity.get("consumeReservationType") == "SPECIFIC_RESERVATION" and affinity.get("values"):
        labels["cloud.google.com/reservation-name"] = str(affinity["values"][0]).rsplit("/", 1)[-1]
    if (config.get("workloadMetadataConfig") or {}).get("mode") == "GKE_METADATA":
        labels["iam.gke.io/gke-metadata-server-enabled"] = "true"
    return labels


def _taints(config: Mapping[str, Any], facts: Machine) -> list[dict[str, str]]:
    declared = [
        {"key": item["key"], "value": item.get("value") or "", "effect": _EFFECTS.get(item["effect"], item["effect"])}
        for item in config.get("taints") or ()
    ]
    own = {"key": "google.com/tpu", "value": "present", "effect": "NoSchedule"}
    return [own, *(taint for taint in declared if taint != own)] if facts.chips else declared
