"""VPC, node subnet with secondary ranges, proxy-only subnet, NAT and the firewall rule for webhooks.

The proxy-only subnet is part of it and can't be forgotten: without one a regional Gateway is never programmed, and
the field report does not even mention it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pulumi

from components.base import Component
from components.project_services import ProjectServices
from components.sdk import compute
from settings.derive import Deployment


@dataclass
class Foundation:
    """What the cluster stands on.

    Attributes:
        network, subnetwork: self links (ours) or resource paths (existing), for the cluster.
        egress: what must be there before a private node can pull an image.
        gateway_ready: what must be there before a regional Gateway can be programmed.
        webhooks: what must be there before the control plane can reach a webhook on a node.
    """

    network: pulumi.Input[str]
    subnetwork: pulumi.Input[str]
    egress: list[pulumi.Resource] = field(default_factory=list)
    gateway_ready: list[pulumi.Resource] = field(default_factory=list)
    webhooks: list[pulumi.Resource] = field(default_factory=list)


def foundation(deployment: Deployment, services: ProjectServices, opts: pulumi.ResourceOptions) -> Foundation:
    """Our network, or an existing one without a single network resource of ours."""
    settings = deployment.settings.network
    if settings.mode == "existing" and settings.proxy_only_subnet.mode == "existing":
        return Foundation(*deployment.existing_network)
    return Network(deployment, services, opts).foundation


class Network(Component):
    """Everything below the cluster."""

    def __init__(self, deployment: Deployment, services: ProjectServices, opts: pulumi.ResourceOptions) -> None:
        super().__init__("tpu-serving:network:Network", "network", opts)
        self._deployment = deployment
        self._project = deployment.settings.project.id
        self._apis = services.service("compute")
        created = deployment.settings.network.mode == "create"
        self.foundation = self._create() if created else Foundation(*deployment.existing_network)
        if deployment.settings.network.proxy_only_subnet.mode == "create":
            self.foundation.gateway_ready.append(self._proxy_only_subnet())
        self.register_outputs({"network": self.foundation.network, "subnetwork": self.foundation.subnetwork})

    def _create(self) -> Foundation:
        settings, name = self._deployment.settings.network, self._deployment.network_name
        network = compute.Network(
            "network-vpc",
            name=name,
            project=self._project,
            description=self._deployment.network_mark,
            auto_create_subnetworks=False,
            routing_mode="REGIONAL",
            # Another description would replace the network; one without it stays as it is.
            opts=self.child(self._apis, ignore_changes=["description"]),
        )
        nodes = compute.Subnetwork(
            "network-nodes",
            name=self._deployment.nodes_subnet_name,
            project=self._project,
            region=self._deployment.region,
            network=network.id,
            ip_cidr_range=settings.nodes_cidr,
            private_ip_google_access=True,
            secondary_ip_ranges=[
                compute.SubnetworkSecondaryIpRangeArgs(range_name=name, ip_cidr_range=cidr)
                for name, cidr in (
                    (settings.pods_range_name, settings.pods_cidr),
                    (settings.services_range_name, settings.services_cidr),
                )
            ],
            opts=self.child(),
        )
        made = Foundation(network.id, nodes.id)
        if self._deployment.settings.cluster.private_nodes:
            made.egress.append(self._nat(network, nodes))
            made.webhooks.append(self._webhook_firewall(network))
        return made

    def _nat(self, network: compute.Network, nodes: compute.Subnetwork) -> compute.RouterNat:
        name = self._deployment.network_name
        router = compute.Router(
            "network-router",
            name=self._deployment.router_name,
            network=network.id,
            project=self._project,
            region=self._deployment.region,
            opts=self.child(),
        )
        return compute.RouterNat(
            "network-nat",
            name=f"{name}-nat",
            router=router.name,
            nat_ip_allocate_option="AUTO_ONLY",
            source_subnetwork_ip_ranges_to_nat="LIST_OF_SUBNETWORKS",
            subnetworks=[compute.RouterNatSubnetworkArgs(name=nodes.id, source_ip_ranges_to_nats=["ALL_IP_RANGES"])],
            opts=self.child(),
            project=self._project,
            region=self._deployment.region,
        )

    def _webhook_firewall(self, network: compute.Network) -> compute.Firewall:
        # GKE opens 443 and 10250 only; KServe's and LeaderWorkerSet's webhooks listen on 9443 (CL03).
        return compute.Firewall(
            "network-webhooks",
            name=self._deployment.webhook_firewall_name,
            project=self._project,
            network=network.id,
            direction="INGRESS",
            source_ranges=[self._deployment.settings.cluster.control_plane.cidr],
            target_tags=[self._deployment.node_tag],
            allows=[compute.FirewallAllowArgs(protocol="tcp", ports=list(map(str, self._deployment.called_ports)))],
            opts=self.child(),
        )

    def _proxy_only_subnet(self) -> compute.Subnetwork:
        return compute.Subnetwork(
            "network-proxy-only",
            name=self._deployment.proxy_only_subnet_name,
            project=self._deployment.network_project,
            region=self._deployment.region,
            network=self.foundation.network,
            ip_cidr_range=self._deployment.settings.network.proxy_only_subnet.cidr,
            purpose="REGIONAL_MANAGED_PROXY",
            role="ACTIVE",
            opts=self.child(self._apis),
        )
