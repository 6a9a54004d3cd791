"""GKE node pools. The nodes themselves are made by the stand-in of GKE, from what is kept here."""

from __future__ import annotations

import re
from typing import Any

from catalog.tpu import Generation, generations
from providers.google.trees import COMPUTE, get, merge
from rehearsal import cloud
from rehearsal.cloud import CloudResource
from rehearsal.plugins.frame import ProviderError, Values
from rehearsal.plugins.gcp import google
from rehearsal.plugins.gcp.kind import Kind
from rehearsal.plugins.gcp.slices import refuse_shape
from rehearsal.plugins.gcp.world import (
    CLUSTER,
    NODE_POOL,
    RESOURCE_POLICY,
    World,
    fingerprint,
    known_region,
    region_of,
    tpu_zones,
)

# Families of machines without accelerators that GKE makes nodes of; sizes are not looked at.
_GENERAL = re.compile(
    r"^(e2|n1|n2|n2d|n4|c2|c2d|c3|c3d|c4|c4a|c4d|t2a|t2d)-(standard|highmem|highcpu)-\d+$|^e2-(small|medium)$"
)
_DEFAULT_MACHINE = "e2-medium"
_TPU_TAINT = {"key": "google.com/tpu", "value": "present", "effect": "NO_SCHEDULE"}


def tpu_of(machine_type: str) -> Generation | None:
    """The TPU generation of a machine type; None where it has no TPU."""
    return next((g for g in generations().values() if machine_type in g.machines), None)


class NodePool(Kind):
    """A node pool."""

    token = NODE_POOL
    create_error = "error creating NodePool: "
    delete_error = ""

    def outputs(self, inputs: Values, world: World) -> Values:
        parent = world.find(CLUSTER, _cluster_id(inputs))
        assert parent is not None  # refuse() came first
        zones = _zones(inputs, parent)
        machine_type = get(inputs, "nodeConfig.machineType") or _DEFAULT_MACHINE
        groups = [_group(inputs, zone) for zone in zones]
        outputs: dict[str, Any] = {
            "instanceGroupUrls": [url.format(kind="instanceGroupManagers") for url in groups],
            "managedInstanceGroupUrls": [url.format(kind="instanceGroups") for url in groups],
            "version": parent.state.get("nodeVersion", ""),
            "nodeCount": inputs.get("initialNodeCount", 0),
            "nodeLocations": zones,
            "maxPodsPerNode": parent.state.get("defaultMaxPodsPerNode", 110),
            "networkConfig": {
                "podRange": get(parent.state, "ipAllocationPolicy.clusterSecondaryRangeName") or "",
                "podIpv4CidrBlock": parent.state.get("clusterIpv4Cidr", ""),
                "enablePrivateNodes": bool(get(parent.state, "privateClusterConfig.enablePrivateNodes")),
                "subnetwork": parent.state.get("subnetwork", ""),
            },
            "upgradeSettings": {"strategy": "SURGE", "maxSurge": 1, "maxUnavailable": 0},
            "deletionPolicy": "DELETE",
        }
        if isinstance(inputs.get("nodeConfig"), dict):
            outputs["nodeConfig"] = {
                "effectiveTaints": [_TPU_TAINT] if tpu_of(machine_type) else [],
                "imageType": "COS_CONTAINERD",
                "labels": {},
                "localSsdCount": 0,
                "loggingVariant": "DEFAULT",
                "metadata": {"disable-legacy-endpoints": "true"},
                "kubeletConfig": {"insecureKubeletReadonlyPortEnabled": "FALSE"},
            }
        return outputs

    def normal(self, state: Values) -> Values:
        declared = get(state, "nodeConfig.taints") or []
        taints = [*(get(state, "nodeConfig.effectiveTaints") or []), *declared]
        unique = [taint for index, taint in enumerate(taints) if taint not in taints[:index]]
        return merge(state, {"nodeConfig": {"effectiveTaints": unique}}) if "nodeConfig" in state else state

    def refuse(self, inputs: Values, world: World, old: CloudResource | None) -> None:
        parent = world.find(CLUSTER, _cluster_id(inputs))
        if parent is None:
            raise google.CloudError(404, f"Not found: {_cluster_id(inputs)}.", "notFound")
        zones = _zones(inputs, parent)
        for zone in zones:
            _refuse_zone(zone, inputs["location"])
        machine_type = get(inputs, "nodeConfig.machineType") or _DEFAULT_MACHINE
        for zone in zones:
            _refuse_machine_type(machine_type, zone)
        refuse_shape(inputs, machine_type, zones)
        policy = get(inputs, "placementPolicy.policyName")
        if policy:
            path = f"projects/{inputs['project']}/regions/{region_of(inputs['location'])}/resourcePolicies/{policy}"
            if world.find(RESOURCE_POLICY, path) is None:
                raise google.not_found(path)
        if old is None:
            _refuse_quota(inputs, machine_type, zones, world)

    def taken(self, resource_id: str, inputs: Values) -> ProviderError:
        return ProviderError(f"resource - {resource_id} - already exists")


def _cluster_id(inputs: Values) -> str:
    return (
        f"projects/{inputs['project']}/locations/{inputs['location']}/clusters/{inputs['cluster'].rsplit('/', 1)[-1]}"
    )


def _zones(inputs: Values, parent: CloudResource) -> list[str]:
    zones: list[str] = inputs.get("nodeLocations") or parent.state["nodeLocations"]
    return zones


def _group(inputs: Values, zone: str) -> str:
    """An instance group's address, `{kind}` still open."""
    suffix = fingerprint(inputs["cluster"], inputs["name"], zone)[:8]
    name = f"gke-{inputs['cluster'][:16]}-{inputs['name'][:14]}-{suffix}-grp"
    return f"{COMPUTE}projects/{inputs['project']}/zones/{zone}/{{kind}}/{name}"


def _refuse_zone(zone: str, location: str) -> None:
    region = region_of(location)
    if not known_region(region_of(zone)) or zone.count("-") != 2:
        raise google.CloudError(400, f'Location "{zone}" does not exist.', "badRequest")
    if region_of(zone) != region:
        raise google.CloudError(400, f'Location "{zone}" is not in the region "{region}" of the cluster.', "badRequest")


def _refuse_machine_type(machine_type: str, zone: str) -> None:
    offered = tpu_zones(machine_type)
    exists = bool(_GENERAL.match(machine_type)) if offered is None else zone in offered
    if not exists:
        raise google.CloudError(
            400, f'Invalid machine type "{machine_type}" in zone "{zone}": GCE_NOT_FOUND', "badRequest"
        )


def _refuse_quota(inputs: Values, machine_type: str, zones: list[str], world: World) -> None:
    """Nodes that a pool starts with need chips at once; a pool that starts empty needs them when it grows."""
    generation = tpu_of(machine_type)
    if generation is None:
        return
    region = region_of(inputs["location"])
    limit = cloud.chip_limit(world.folder, region, generation.quota_family)
    wanted = _chips(inputs, zones)
    if limit is None or wanted == 0:
        return
    used = sum(
        _chips(pool.state, pool.state["nodeLocations"])
        for pool in world.all(NODE_POOL)
        if region_of(str(pool.location)) == region
        and tpu_of(str(get(pool.state, "nodeConfig.machineType"))) is generation
    )
    available = max(limit - used, 0)
    if wanted > available:
        project = inputs["project"]
        raise google.CloudError(
            403,
            f'\n\t(1) insufficient regional quota to satisfy request: resource "TPUS_PER_TPU_FAMILY": request requires '
            f"'{wanted:.1f}' and is short '{wanted - available:.1f}'. project has a quota of '{limit:.1f}' with "
            f"'{available:.1f}' available. View and manage quotas at "
            f"https://console.cloud.google.com/iam-admin/quotas?usage=USED&project={project}.",
            "forbidden",
        )


def _chips(values: Values, zones: list[str]) -> int:
    machine_type = str(get(values, "nodeConfig.machineType"))
    generation = tpu_of(machine_type)
    if generation is None:
        return 0
    return int(values.get("initialNodeCount") or 0) * len(zones) * generation.machines[machine_type].chips
