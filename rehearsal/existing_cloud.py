"""What an environment says is there already, and on a rehearsal's empty cloud is not: made here before it is needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from catalog.gke import facts
from rehearsal.cloud import CloudResource, write
from settings.derive import Deployment

_COMPUTE = "https://www.googleapis.com/compute/v1/"


def seed_cloud(deployment: Deployment, folder: Path) -> list[str]:
    """Put existing Google Cloud resources into the rehearsal's cloud; their names, for the person to read."""
    made = list(_google(deployment))
    for resource in made:
        write(folder, resource)
    return [f"{resource.type.rsplit(':', 1)[-1]} {resource.name}" for resource in made]


def _google(deployment: Deployment) -> Iterator[CloudResource]:
    settings = deployment.settings
    if not settings.project.enable_apis:
        for api in (*facts()["apis"], "secretmanager.googleapis.com"):
            id_ = f"{settings.project.id}/{api}"
            state = {"service": api, "project": settings.project.id}
            yield CloudResource("gcp:projects/service:Service", api, id_, settings.project.id, None, state)
    network, project = settings.network, settings.network.host_project or settings.project.id
    if network.mode == "existing":
        assert network.name and network.subnetwork
        link = f"projects/{project}/global/networks/{network.name}"
        yield CloudResource(
            "gcp:compute/network:Network", network.name, link, project, None, {"name": network.name, **_links(link)}
        )
        ranges = [(network.pods_range_name, network.pods_cidr), (network.services_range_name, network.services_cidr)]
        yield _subnetwork(
            deployment,
            project,
            network.subnetwork,
            {
                "ipCidrRange": network.nodes_cidr,
                "purpose": "PRIVATE",
                "privateIpGoogleAccess": True,
                "secondaryIpRanges": [{"rangeName": name, "ipCidrRange": cidr} for name, cidr in ranges],
            },
        )
    proxies = network.proxy_only_subnet
    if proxies.mode == "existing" and proxies.name:
        state = {"ipCidrRange": proxies.cidr, "purpose": "REGIONAL_MANAGED_PROXY", "role": "ACTIVE"}
        yield _subnetwork(deployment, project, proxies.name, state)
    address = settings.gateway.address
    if address is not None and not address.create:
        link = f"projects/{settings.project.id}/regions/{deployment.region}/addresses/{address.name}"
        external = settings.gateway.external
        state = {
            "name": address.name,
            "region": deployment.region,
            "address": "203.0.113.10" if external else "10.0.0.250",
            "addressType": "EXTERNAL" if external else "INTERNAL",
            "purpose": None if external else "SHARED_LOADBALANCER_VIP",
            **_links(link),
        }
        yield CloudResource(
            "gcp:compute/address:Address", address.name, link, settings.project.id, deployment.region, state
        )


def _subnetwork(deployment: Deployment, project: str, name: str, state: dict[str, Any]) -> CloudResource:
    link = f"projects/{project}/regions/{deployment.region}/subnetworks/{name}"
    network = deployment.settings.network.name or deployment.network_name
    return CloudResource(
        "gcp:compute/subnetwork:Subnetwork",
        name,
        link,
        project,
        deployment.region,
        {
            "name": name,
            "region": deployment.region,
            "network": f"{_COMPUTE}projects/{project}/global/networks/{network}",
            **state,
            **_links(link),
        },
    )


def _links(link: str) -> dict[str, str]:
    return {"selfLink": _COMPUTE + link, "project": link.split("/")[1]}
