"""The GKE cluster: what may be chosen. Gateway channel, HTTP load balancing and VPC-native are no choices (CL01)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from settings.base import Cidr, MachineType, ResourceName, Section
from settings.maintenance import Maintenance


class AuthorizedNetwork(Section):
    """A range that may reach the control plane's IP endpoint."""

    name: str = Field(description="What the range is.")
    cidr: Cidr = Field(description="The range.")


class ControlPlane(Section):
    """How people and CI reach the Kubernetes API."""

    dns_endpoint: bool = Field(
        True, description="Reach the API by its DNS name, guarded by IAM; no address lists needed."
    )
    authorized_networks: list[AuthorizedNetwork] = Field(
        default_factory=list,
        max_length=100,  # Google "GKE quotas and limits"
        description="Ranges that may use the IP endpoint; none closes it to the public.",
    )
    cidr: Cidr = Field("172.16.0.0/28", description="Range of the private control plane, a /28.")


class CpuPool(Section):
    """Nodes for controllers and endpoint pickers."""

    machine_type: MachineType = Field("e2-standard-4", description="Machine type.")
    min_nodes: int = Field(1, ge=1, le=100, description="Minimum nodes across all zones.")
    max_nodes: int | None = Field(
        None,
        ge=1,
        le=100,
        description="Maximum nodes across all zones; what endpoint pickers and filling Jobs need when left out (CL15).",
    )
    disk_gib: int = Field(100, ge=50, le=2000, description="Boot disk in GiB.")


class Cluster(Section):
    """The cluster."""

    name: ResourceName | None = Field(None, description="Name; the environment's name when left out.")
    release_channel: Literal["RAPID", "REGULAR", "STABLE"] = Field("REGULAR", description="GKE release channel.")
    min_version: str | None = Field(
        None,
        description="Version that a new cluster starts with, or the beginning of one (1.35), new enough for Gateway and "
        "TPU generations (CL02); the channel's default when left out. GKE rejects one that it no longer offers.",
    )
    private_nodes: bool = Field(True, description="Nodes without public addresses, with Cloud NAT for their way out.")
    control_plane: ControlPlane = Field(default_factory=ControlPlane)
    cpu_pool: CpuPool = Field(default_factory=CpuPool)
    maintenance: Maintenance = Field(default_factory=Maintenance)
    deletion_protection: bool | None = Field(
        None, description="Protect the cluster from deletion; on in production when left out."
    )
