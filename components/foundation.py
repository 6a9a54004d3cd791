"""What the cluster stands on: our network, or an existing one without a single network resource of ours."""

from __future__ import annotations

from dataclasses import dataclass, field

import pulumi

from components.project_services import ProjectServices
from settings.derive import Deployment


@dataclass(frozen=True)
class NetworkFoundation:
    """Network and subnetwork for the cluster, and what later steps must wait for."""

    network: pulumi.Input[str]
    subnetwork: pulumi.Input[str]
    egress: list[pulumi.Resource] = field(default_factory=list)
    gateway_ready: list[pulumi.Resource] = field(default_factory=list)
    webhooks: list[pulumi.Resource] = field(default_factory=list)


def network_foundation(
    deployment: Deployment, provider: pulumi.ProviderResource, services: ProjectServices
) -> NetworkFoundation:
    """Create what is to be created; pulumi_gcp.compute is imported only then (it is the slowest import there is)."""
    settings = deployment.settings.network
    if settings.mode == "existing" and settings.proxy_only_subnet.mode == "existing":
        network, subnetwork = deployment.existing_network
        return NetworkFoundation(network, subnetwork)
    from components.network import Network

    made = Network(deployment, provider, services)
    return NetworkFoundation(made.network, made.subnetwork, made.egress, made.gateway_ready, made.webhooks)
