"""The Gateway: who can reach the models, under which address, with which TLS."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import BeforeValidator, Field

from catalog.gke import GatewayClass
from settings.base import CertificateName, HostName, ProjectId, Reason, ResourceName, SecretName, Section
from settings.consumers import Consumer
from settings.dates import iso_date

IsoDate = Annotated[date, BeforeValidator(iso_date)]
CaCertificate = Annotated[
    str, Field(pattern=r"^-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE-----\n?$")
]


class Address(Section):
    """A regional address that outlives the Gateway."""

    name: str = Field(description="Name of the regional address, in the same project (GW04).")
    create: bool = Field(False, description="Create it (true), or use one that is there (false).")


class ManagedCertificate(Section):
    """A certificate that Google issues and renews, and the DNS records that it takes (GW14)."""

    name: ResourceName = Field(
        description="Name of the regional Certificate Manager certificate, and of its DNS authorization."
    )
    dns_zone: ResourceName | None = Field(
        None,
        description="Name of the public Cloud DNS zone that gets the records; they are yours to make when left out.",
    )
    dns_project: ProjectId | None = Field(None, description="Project of that zone; the environment's when left out.")


class Tls(Section):
    """Where the listener's certificate comes from: exactly one of the four (GW05)."""

    managed_certificate: ManagedCertificate | None = Field(
        None, description="One to create, for the Gateway's host name, with its DNS authorization."
    )

    certificate_manager_certs: list[CertificateName] = Field(
        default_factory=list, description="Names of regional Certificate Manager certificates."
    )
    pre_shared_certs: list[ResourceName] = Field(
        default_factory=list, description="Names of regional compute SSL certificates."
    )
    secret_name: SecretName | None = Field(None, description="A kubernetes.io/tls Secret in the models' namespace.")
    secret_exists: bool = Field(
        False, description="The Secret is in the cluster: so only after a first `pulumi up` without tls (GW07)."
    )
    ssl_policy: ResourceName | None = Field(None, description="Name of a regional SSL policy.")
    ca_certificate: CaCertificate | None = Field(
        None, description="PEM of the private authority that signed it; clients get it with the outputs."
    )
    client_ca_certificate: CaCertificate | None = Field(
        None,
        description="PEM of the authority that signs client certificates (mutual TLS): every connection must show one.",
    )


class Authentication(Section):
    """Who is let in at the edge."""

    iap_client_id: str | None = Field(None, pattern=r"^\S+$", description="Identity-Aware Proxy: OAuth client id.")
    iap_client_secret_name: SecretName | None = Field(
        None, description="Secret with the OAuth client secret (key `key`)."
    )
    security_policy: str | None = Field(
        None, description="Name of a regional Cloud Armor policy with an allow list or tokens."
    )


class Waiver(Section):
    """A written exception from GW03: external without TLS or authentication."""

    reason: Reason = Field(description="Why this is acceptable, in at least 10 characters.")
    until: IsoDate = Field(description="Expiry date: the last day (YYYY-MM-DD).")


class Gateway(Section):
    """One Gateway an environment, in the models' namespace."""

    name: ResourceName = Field("inference-gateway", description="Name of the Gateway.")
    gateway_class_name: str = Field(
        GatewayClass.INTERNAL.value,
        description="gke-l7-rilb (internal) or gke-l7-regional-external-managed (external).",
        json_schema_extra={"enum": [c.value for c in GatewayClass]},
    )
    hostname: HostName | None = Field(
        None, description="Host name clients use, such as llm.example.com; the address when left out."
    )
    address: Address | None = Field(None, description="A named address; GKE picks one when left out.")
    tls: Tls | None = Field(None, description="Certificate of the HTTPS listener; plain HTTP when left out.")
    authentication: Authentication | None = Field(None, description="Edge authentication.")
    consumers: list[Consumer] = Field(
        default_factory=list, description="Who may ask which models; everybody who reaches the Gateway when left out."
    )
    global_access: bool = Field(False, description="Internal class: reachable from other regions of the VPC.")
    waiver: Waiver | None = Field(None, description="Exception for an external Gateway without TLS or authentication.")

    @property
    def external(self) -> bool:
        """True where the class exposes the models to the internet."""
        return self.gateway_class_name == GatewayClass.EXTERNAL

    @property
    def managed_certificate(self) -> ManagedCertificate | None:
        """The certificate that is ours to create."""
        return self.tls.managed_certificate if self.tls else None

    @property
    def certificates(self) -> list[str]:
        """Names of the Certificate Manager certificates in use."""
        managed = [self.managed_certificate.name] if self.managed_certificate else []
        return [*self.tls.certificate_manager_certs, *managed] if self.tls else []

    @property
    def scheme(self) -> str:
        """Scheme of the URLs clients use."""
        return "https" if self.tls else "http"

    @property
    def port(self) -> int:
        """Port of the listener that serves the models."""
        return 443 if self.tls else 80
