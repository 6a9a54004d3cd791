"""The VPC: made by us, or an existing one by name."""

from __future__ import annotations

from pydantic import Field

from settings.base import Cidr, ProjectId, Provision, ResourceName, Section


class ProxyOnlySubnet(Section):
    """Where the regional load balancer's Envoys get their addresses; without it no Gateway is ever programmed."""

    mode: Provision = Field(
        "create", description="create, or existing where the VPC and region already have an active one."
    )
    name: ResourceName | None = Field(None, description="Name of the existing subnet (mode existing).")
    cidr: Cidr = Field(
        "10.129.0.0/23",
        description="Range, /26 or larger; Google recommends /23. Of an existing one: for the network policies (NP01).",
    )


class Network(Section):
    """VPC, node subnet with its two secondary ranges, and the proxy-only subnet."""

    mode: Provision = Field("create", description="create, or existing to use a VPC that is there.")
    name: ResourceName | None = Field(None, description="Name of the VPC; required with mode existing.")
    subnetwork: ResourceName | None = Field(None, description="Name of the node subnet; required with mode existing.")
    pods_range_name: ResourceName = Field("pods", description="Name of the secondary range for pods.")
    services_range_name: ResourceName = Field("services", description="Name of the secondary range for Services.")
    host_project: ProjectId | None = Field(None, description="Shared VPC: the project that owns an existing network.")
    nodes_cidr: Cidr = Field("10.0.0.0/20", description="Range of the nodes.")
    pods_cidr: Cidr = Field("10.4.0.0/14", description="Range of the pods.")
    services_cidr: Cidr = Field("10.8.0.0/20", description="Range of the Services.")
    proxy_only_subnet: ProxyOnlySubnet = Field(default_factory=ProxyOnlySubnet)
