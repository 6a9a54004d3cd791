"""What the rehearsal's cloud says about the cluster: features, VPC, addresses, node pools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal import cloud
from rehearsal.cloud import CloudResource
from rehearsal.gke.gateway import Cloud, NamedAddress

CLUSTER = "gcp:container/cluster:Cluster"
NODE_POOL = "gcp:container/nodePool:NodePool"
RESOURCE_POLICY = "gcp:compute/resourcePolicy:ResourcePolicy"
_SUBNETWORK = "gcp:compute/subnetwork:Subnetwork"
_ADDRESSES = ("gcp:compute/address:Address", "gcp:compute/globalAddress:GlobalAddress")
# Regional Envoy load balancers of every kind use a subnet of this purpose (Google "Proxy-only subnets").
_PROXY_PURPOSE = "REGIONAL_MANAGED_PROXY"


@dataclass(frozen=True)
class Features:
    """What is switched on in the cluster."""

    gateway: bool
    managed_prometheus: bool
    secret_sync: bool


def running_cluster(folder: Path) -> CloudResource | None:
    """The cluster, once it is RUNNING."""
    return next(iter(cloud.read_all(folder, CLUSTER)), None)


def exists(folder: Path) -> bool:
    """Whether there is a cluster, RUNNING or not."""
    return bool(cloud.read_all(folder, CLUSTER, provisioning=True))


def features(cluster: CloudResource) -> Features:
    """Switches of a cluster. The Gateway needs its channel and HTTP load balancing, which is on by default."""
    state = cluster.state
    channel = _get(state, "gatewayApiConfig", "channel")
    balancing = _get(state, "addonsConfig", "httpLoadBalancing", "disabled")
    return Features(
        gateway=channel == "CHANNEL_STANDARD" and not balancing,
        managed_prometheus=bool(_get(state, "monitoringConfig", "managedPrometheus", "enabled")),
        secret_sync=any(bool(_get(state, key, "enabled")) for key in ("secretSyncConfig", "secretManagerConfig")),
    )


def view(folder: Path, cluster: CloudResource) -> Cloud:
    """The VPC and region of the cluster, as the Gateway controller needs them."""
    region = "-".join(str(cluster.location).split("-")[:2])
    network = _name(cluster.state.get("network") or "default")
    proxies = any(
        subnet.location == region
        and _name(subnet.state.get("network") or "") == network
        and (subnet.state.get("purpose"), subnet.state.get("role")) == (_PROXY_PURPOSE, "ACTIVE")
        for subnet in cloud.read_all(folder, _SUBNETWORK)
    )
    addresses = [
        NamedAddress(
            name=item.name,
            region=item.location or "",
            address=str(item.state.get("address", "")),
            type=str(item.state.get("addressType") or "EXTERNAL"),
            purpose=str(item.state.get("purpose") or ""),
        )
        for token in _ADDRESSES
        for item in cloud.read_all(folder, token)
        if item.project == cluster.project
    ]
    return Cloud(region, proxies, tuple(addresses))


def _get(state: Mapping[str, Any], *path: str) -> Any:
    value: Any = state
    for part in path:
        if isinstance(value, list):  # the provider's own form of a block
            value = value[0] if value else None
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def _name(link: str) -> str:
    return link.rsplit("/", 1)[-1]
