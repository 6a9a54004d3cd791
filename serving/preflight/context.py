"""What a check gets: the environment, Google, the Hugging Face Hub, and the public DNS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from serving.google.client import GoogleClient
from serving.preflight.dns import PublicDns
from serving.preflight.hub import Hub

if TYPE_CHECKING:
    from settings.derive import Deployment


@dataclass(frozen=True)
class Context:
    """One run of questions."""

    deployment: Deployment
    google: GoogleClient
    hub: Hub
    dns: PublicDns

    @property
    def project(self) -> str:
        """The environment's project."""
        return self.deployment.settings.project.id

    @property
    def network_project(self) -> str:
        """The project that owns the network: the host project of a Shared VPC, else the environment's."""
        return self.deployment.settings.network.host_project or self.project

    @property
    def region(self) -> str:
        """Region of network and cluster."""
        return self.deployment.region

    @property
    def zone(self) -> str:
        """Zone of the TPU pools."""
        return self.deployment.zone
