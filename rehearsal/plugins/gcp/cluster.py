"""The GKE cluster: its control plane is the rehearsal's own, which "creation" makes visible."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import yaml

from catalog.gke import inference_pool_floor, parse_gke_version
from providers.google.trees import get, merge, relative
from rehearsal import cloud
from rehearsal.cloud import CloudResource
from rehearsal.directory import RehearsalDirectory
from rehearsal.plugins.frame import ProviderError, Values
from rehearsal.plugins.gcp import google
from rehearsal.plugins.gcp.kind import Kind
from rehearsal.plugins.gcp.network import ranges, require_region
from rehearsal.plugins.gcp.world import (
    CLUSTER,
    NETWORK,
    NODE_POOL,
    SUBNETWORK,
    World,
    fingerprint,
    region_of,
    zones_of,
)


def control_plane(directory: RehearsalDirectory) -> tuple[str, str]:
    """`host:port` of the local control plane and its CA, base64, from the rehearsal's kubeconfig.

    Raises:
        ProviderError: no control plane has been started in this directory.
    """
    try:
        config = yaml.safe_load(directory.kubeconfig.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ProviderError(
            "the rehearsal's control plane has not been started: there is no kubeconfig. Start it with: make rehearse"
        ) from None
    entry = config["clusters"][0]["cluster"]
    authority = entry.get("certificate-authority-data")
    if authority is None:
        authority = base64.b64encode(Path(entry["certificate-authority"]).read_bytes()).decode()
    return entry["server"].split("://", 1)[1].rstrip("/"), authority


class Cluster(Kind):
    """A GKE Standard cluster."""

    token = CLUSTER
    create_error = ""
    delete_error = ""
    follows = ("masterVersion", "labelFingerprint", "effectiveLabels", "pulumiLabels")

    def outputs(self, inputs: Values, world: World) -> Values:
        endpoint, authority = control_plane(world.directory)
        resource_id = self.id(inputs)
        pods, services = _secondary_ranges(inputs, world)
        version = inputs.get("minMasterVersion") or inference_pool_floor()
        outputs: dict[str, Any] = {
            "selfLink": f"https://container.googleapis.com/v1beta1/{resource_id}",
            "endpoint": endpoint,
            "masterAuth": {
                "clientCertificate": "",
                "clientKey": "",
                "clusterCaCertificate": authority,
                "clientCertificateConfig": {"issueClientCertificate": False},
            },
            "masterVersion": version,
            "nodeVersion": version,
            "nodeLocations": zones_of(region_of(inputs["location"])),
            "nodePools": [],
            "clusterIpv4Cidr": pods,
            "servicesIpv4Cidr": services,
            "defaultMaxPodsPerNode": 110,
            "labelFingerprint": fingerprint(inputs.get("resourceLabels"))[:8],
            "effectiveLabels": inputs.get("resourceLabels") or {},
            "pulumiLabels": inputs.get("resourceLabels") or {},
            "tpuIpv4CidrBlock": "",
            "loggingConfig": {"enableComponents": ["SYSTEM_COMPONENTS", "WORKLOADS"]},
            "loggingService": "logging.googleapis.com/kubernetes",
            "monitoringService": "monitoring.googleapis.com/kubernetes",
            "nodePoolDefaults": {"nodeConfigDefaults": {"loggingVariant": "DEFAULT"}},
            "controlPlaneEndpointsConfig": {
                "dnsEndpointConfig": {"endpoint": endpoint, "allowExternalTraffic": False},
                "ipEndpointsConfig": {"enabled": True},
            },
        }
        return merge(outputs, self._blocks(inputs, endpoint, pods, services))

    @staticmethod
    def _blocks(inputs: Values, endpoint: str, pods: str, services: str) -> Values:
        """What the cloud adds to blocks that the program gives."""
        added: Values = {
            "ipAllocationPolicy": {"clusterIpv4CidrBlock": pods, "servicesIpv4CidrBlock": services},
            "addonsConfig": {
                "gcePersistentDiskCsiDriverConfig": {"enabled": True},
                "networkPolicyConfig": {"disabled": True},
                "horizontalPodAutoscaling": {"disabled": False},
            },
            "privateClusterConfig": {"peeringName": "", "privateEndpoint": endpoint, "publicEndpoint": endpoint},
        }
        return {key: value for key, value in added.items() if isinstance(inputs.get(key), dict)}

    def state(self, inputs: Values, world: World, old: Values | None = None) -> Values:
        state = super().state(inputs, world, old)
        before = (old or {}).get("masterVersion", "")
        # A lower minimum is no downgrade.
        if (parse_gke_version(before) or ()) > (parse_gke_version(state["masterVersion"]) or ()):
            state["masterVersion"] = before
        return state

    def normal(self, state: Values) -> Values:
        links = {key: relative(state[key]) for key in ("network", "subnetwork") if state.get(key)}
        return {**state, **links}

    def refuse(self, inputs: Values, world: World, old: CloudResource | None) -> None:
        require_region(region_of(inputs["location"]))
        network = world.linked(NETWORK, inputs["network"])
        if network is None:
            raise google.CloudError(404, f"Not found: {relative(inputs['network'])}.", "notFound")
        subnetwork = world.linked(SUBNETWORK, str(inputs.get("subnetwork")))
        if subnetwork is None:
            message = (
                f'Subnetwork "{relative(str(inputs.get("subnetwork")))}" is not valid for Network "{network.name}".'
            )
            raise google.CloudError(400, message, "badRequest")
        names = {r.get("rangeName") for r in subnetwork.state.get("secondaryIpRanges") or []}
        for field, what in (("clusterSecondaryRangeName", "Pod"), ("servicesSecondaryRangeName", "Services")):
            wanted = get(inputs, f"ipAllocationPolicy.{field}")
            if wanted and wanted not in names:
                message = f'{what} secondary range "{wanted}" does not exist in subnetwork "{subnetwork.name}".'
                raise google.CloudError(400, message, "badRequest")

    def refuse_delete(self, resource: CloudResource, world: World) -> None:
        if resource.state.get("deletionProtection"):
            raise ProviderError(
                "Cannot destroy cluster because deletion_protection is set to true. "
                "Set it to false to proceed with cluster deletion."
            )

    def deleted(self, resource: CloudResource, world: World) -> None:
        for pool in pools_of(resource.id, world):
            cloud.remove(world.folder, NODE_POOL, pool.id)

    def taken(self, resource_id: str, inputs: Values) -> ProviderError:
        return google.CloudError(409, f"Already exists: {resource_id}.", "alreadyExists")


def pools_of(cluster_id: str, world: World) -> list[CloudResource]:
    """The node pools of a cluster."""
    return [pool for pool in world.all(NODE_POOL) if pool.id.startswith(f"{cluster_id}/nodePools/")]


def _secondary_ranges(inputs: Values, world: World) -> tuple[str, str]:
    """The ranges of pods and Services; empty where the subnetwork does not say."""
    subnetwork = world.linked(SUBNETWORK, str(inputs.get("subnetwork")))
    by_name = {}
    if subnetwork is not None:
        sizes = {field: str(range_) for field, range_ in ranges(subnetwork.state)}
        for index, secondary in enumerate(subnetwork.state.get("secondaryIpRanges") or []):
            by_name[secondary.get("rangeName")] = sizes.get(f"secondaryIpRanges[{index}].ipCidrRange", "")
    policy = inputs.get("ipAllocationPolicy") or {}
    pods, services = policy.get("clusterSecondaryRangeName"), policy.get("servicesSecondaryRangeName")
    return by_name.get(pods, ""), by_name.get(services, "")
