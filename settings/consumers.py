"""Who may ask which models: teams by an identity that the load balancer itself checks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from settings.base import ResourceName, Section

ServiceAccountEmail = Annotated[
    str,
    Field(max_length=255, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?@[-a-z0-9.:]+\.gserviceaccount\.com$"),
]
# int64 in networking.gke.io_gcpauthzpolicies.yaml; beyond 2^53 Pulumi's numbers are no longer exact.
TagValueId = Annotated[int, Field(gt=0, lt=2**53)]


class ClientCertificate(Section):
    """A client certificate by its name."""

    uri_san: str = Field(
        max_length=2048,
        pattern=r"^[a-z][a-z0-9+.-]*://[^\s/]+\S*$",
        description="The URI among its subject alternative names, such as spiffe://example.com/search; compared exactly.",
    )


class Consumer(Section):
    """A team with its models. Whoever is no consumer is answered with 403."""

    name: ResourceName = Field(description="Name of the team, for people.")
    models: list[ResourceName] = Field(min_length=1, description="Names of the models that it may ask.")
    service_account: ServiceAccountEmail | None = Field(
        None, description="Google service account of the VMs that ask; internal Gateways only (ED05)."
    )
    tags: list[TagValueId] = Field(
        default_factory=list,
        max_length=10,
        description="Resource Manager tags of the VMs that ask, each by the number of its value (tagValues/NUMBER); "
        "a VM must have all of them. Internal Gateways only (ED05).",
    )
    certificate: ClientCertificate | None = Field(
        None, description="Certificate that clients show; needs tls.clientCaCertificate (ED04)."
    )

    @property
    def identity(self) -> tuple[str, str]:
        """The key that names what it is known by, and its value; "" where there is none."""
        if self.certificate is not None:
            return "certificate", self.certificate.uri_san
        if self.tags:
            return "tags", tag_set(self.tags)
        return "serviceAccount", self.service_account or ""


def tag_set(ids: Iterable[int]) -> str:
    """One text for the same tags in any order."""
    return " ".join(f"tagValues/{number}" for number in sorted(set(ids)))
