"""VPC, node subnet with secondary ranges, proxy-only subnet, NAT and the firewall rule for webhooks.

The proxy-only subnet is part of it and can't be forgotten: without one a regional Gateway is never programmed, and
the field report does not even mention it. Not imported where network and proxy-only subnet are existing ones.
"""

from __future__ import annotations

import pulumi
from pulumi_gcp import compute

from catalog.gke import facts
from components.base import Component
from components.project_services import ProjectServices
from settings.derive import Deployment


class Network(Component):
    """Everything below the cluster.

    Attributes:
        network, subnetwork: self links (ours) or resource paths (existing), for the cluster.
        egress: what must be there before a private node can pull an image.
        gateway_ready: what must be there before a regional Gateway can be programmed.
        webhooks: what must be there before the control plane can reach a webhook on a node.
    """

    def __init__(self, deployment: Deployment, provider: pulumi.ProviderResource, services: ProjectServices) -> None:
        super().__init__("tpu-serving:network:Network", "network", provider)
        self._deployment = deployment
        self._project = deployment.settings.project.id
        self._apis = services.service("compute")
        self.egress: list[pulumi.Resource] = []
        self.gateway_ready: list[pulumi.Resource] = []
        self.webhooks: list[pulumi.Resource] = []
        self.network: pulumi.Input[str]
        self.subnetwork: pulumi.Input[str]
        if deployment.settings.network.mode == "create":
            self._create()
        else:
            self.network, self.subnetwork = deployment.existing_network
        if deployment.settings.network.proxy_only_subnet.mode == "create":
            self._proxy_only_subnet()
        self.register_outputs({"network": self.network, "subnetwork": self.subnetwork})

    def _create(self) -> None:
        settings, name = self._deployment.settings.network, self._deployment.network_name
        network = compute.Network(
            "network-vpc",
            name=name,
            project=self._project,
            auto_create_subnetworks=False,
            routing_mode="REGIONAL",
            opts=self.child(self._apis),
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
                {"range_name": settings.pods_range_name, "ip_cidr_range": settings.pods_cidr},
                {"range_name": settings.services_range_name, "ip_cidr_range": settings.services_cidr},
            ],
            opts=self.child(),
        )
        self.network, self.subnetwork = network.id, nodes.id
        if self._deployment.settings.cluster.private_nodes:
            self._nat(network, nodes)
            self._webhook_firewall(network)

    def _nat(self, network: compute.Network, nodes: compute.Subnetwork) -> None:
        name = self._deployment.network_name
        router = compute.Router(
            "network-router",
            name=f"{name}-router",
            network=network.id,
            project=self._project,
            region=self._deployment.region,
            opts=self.child(),
        )
        nat = compute.RouterNat(
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
        self.egress = [nat]

    def _webhook_firewall(self, network: compute.Network) -> None:
        # GKE opens 443 and 10250 only; KServe's and LeaderWorkerSet's webhooks listen on 9443 (CL03).
        rule = compute.Firewall(
            "network-webhooks",
            name=f"{self._deployment.network_name}-webhooks",
            project=self._project,
            network=network.id,
            direction="INGRESS",
            source_ranges=[self._deployment.settings.cluster.control_plane.cidr],
            target_tags=[self._deployment.node_tag],
            allows=[{"protocol": "tcp", "ports": [str(port) for port in facts()["webhookPorts"]]}],
            opts=self.child(),
        )
        self.webhooks = [rule]

    def _proxy_only_subnet(self) -> None:
        subnet = compute.Subnetwork(
            "network-proxy-only",
            name=self._deployment.proxy_only_subnet_name,
            project=self._deployment.network_project,
            region=self._deployment.region,
            network=self.network,
            ip_cidr_range=self._deployment.settings.network.proxy_only_subnet.cidr,
            purpose="REGIONAL_MANAGED_PROXY",
            role="ACTIVE",
            opts=self.child(self._apis),
        )
        self.gateway_ready = [subnet]
