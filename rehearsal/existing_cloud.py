"""What an environment says is there already, and on a rehearsal's empty cloud is not: made here before it is needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from catalog.gke import facts
from rehearsal.cloud import CloudResource, write
from settings.derive import Deployment

_COMPUTE = "https://www.googleapis.com/compute/v1/"


def seed_cloud(deployment: Deployment, folder: Path) -> None:
    """Put existing Google Cloud resources into the rehearsal's cloud."""
    for resource in (*_services(deployment), *_network(deployment), *_address(deployment), *_bucket(deployment)):
        write(folder, resource)


def _services(deployment: Deployment) -> Iterator[CloudResource]:
    project = deployment.settings.project
    for api in () if project.enable_apis else (*facts()["apis"], "secretmanager.googleapis.com"):
        state = {"service": api, "project": project.id}
        yield CloudResource("gcp:projects/service:Service", api, f"{project.id}/{api}", project.id, None, state)


def _bucket(deployment: Deployment) -> Iterator[CloudResource]:
    store, project = deployment.store, deployment.settings.project.id
    if store is not None and not store.created:
        state = {"name": store.bucket, "location": deployment.region.upper()}
        yield CloudResource("gcp:storage/bucket:Bucket", store.bucket, store.bucket, project, deployment.region, state)


def _network(deployment: Deployment) -> Iterator[CloudResource]:
    network = deployment.settings.network
    project = network.host_project or deployment.settings.project.id
    link = f"projects/{project}/global/networks/{network.name or deployment.network_name}"
    regional = {"region": deployment.region, "network": _COMPUTE + link}

    def subnetwork(name: str, **state: Any) -> CloudResource:
        path = f"projects/{project}/regions/{deployment.region}/subnetworks/{name}"
        return _compute("subnetwork:Subnetwork", path, deployment.region, {**regional, **state})

    if network.mode == "existing":
        assert network.name and network.subnetwork
        yield _compute("network:Network", link, None, {})
        ranges = {network.pods_range_name: network.pods_cidr, network.services_range_name: network.services_cidr}
        yield subnetwork(
            network.subnetwork,
            ipCidrRange=network.nodes_cidr,
            purpose="PRIVATE",
            privateIpGoogleAccess=True,
            secondaryIpRanges=[{"rangeName": name, "ipCidrRange": cidr} for name, cidr in ranges.items()],
        )
    proxies = network.proxy_only_subnet
    if proxies.mode == "existing" and proxies.name:
        yield subnetwork(proxies.name, ipCidrRange=proxies.cidr, purpose="REGIONAL_MANAGED_PROXY", role="ACTIVE")


def _address(deployment: Deployment) -> Iterator[CloudResource]:
    address, external = deployment.settings.gateway.address, deployment.settings.gateway.external
    if address is not None and not address.create:
        path = f"projects/{deployment.settings.project.id}/regions/{deployment.region}/addresses/{address.name}"
        state = {
            "region": deployment.region,
            "address": "203.0.113.10" if external else "10.0.0.250",
            "addressType": "EXTERNAL" if external else "INTERNAL",
            "purpose": None if external else "SHARED_LOADBALANCER_VIP",
        }
        yield _compute("address:Address", path, deployment.region, state)


def _compute(kind: str, path: str, region: str | None, state: dict[str, Any]) -> CloudResource:
    """A resource of Compute Engine; `path` is its id, `projects/PROJECT/.../NAME`."""
    project, name = path.split("/")[1], path.rpartition("/")[2]
    state = {"name": name, "selfLink": _COMPUTE + path, "project": project, **state}
    return CloudResource(f"gcp:compute/{kind}", name, path, project, region, state)
