"""A certificate of Certificate Manager for the Gateway's name, proven and pointed to by DNS records.

Nobody waits for it to be issued, which takes until the domain's zone is delegated: the Gateway comes up without, and answers
https as soon as the certificate is there.
"""

from __future__ import annotations

import pulumi

from components.base import Component, Dependencies
from components.sdk import certificatemanager, dns
from settings.gateway import ManagedCertificate

_TTL_SECONDS = 300


class Certificate(Component):
    """Regional DNS authorization and certificate; in a named Cloud DNS zone the authorization's record.

    Creates neither the zone nor its delegation.

    Attributes:
        certificate: the certificate, which a Gateway can name before it is issued.
    """

    def __init__(
        self,
        settings: ManagedCertificate,
        hostname: str,
        apis: Dependencies,
        *,
        project: str,
        region: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("tpu-serving:gateway:Certificate", "certificate", opts)
        self._settings, self._hostname, self._apis, self._project = settings, hostname, apis, project
        authorization = certificatemanager.DnsAuthorization(
            "certificate-authorization",
            name=settings.name,
            domain=hostname,
            # Google recommends it where several projects prove one domain; its record is the project's own.
            type="PER_PROJECT_RECORD",
            project=project,
            location=region,
            opts=self.child(apis),
        )
        self.certificate = certificatemanager.Certificate(
            "certificate-object",
            name=settings.name,
            managed=certificatemanager.CertificateManagedArgs(
                domains=[hostname], dns_authorizations=[authorization.id]
            ),
            project=project,
            location=region,
            opts=self.child(),
        )
        record = authorization.dns_resource_records.apply(lambda records: records[0])
        self._record("proof", record["name"], record["type"], record["data"])
        self.register_outputs({})

    def points_to(self, address: pulumi.Output[str]) -> None:
        """The name's own record, for an address that outlives the Gateway."""
        self._record("name", f"{self._hostname}.", "A", address)

    def _record(self, name: str, host: pulumi.Input[str], kind: pulumi.Input[str], data: pulumi.Input[str]) -> None:
        if self._settings.dns_zone is not None:
            dns.RecordSet(
                f"certificate-{name}",
                name=host,
                type=kind,
                ttl=_TTL_SECONDS,
                rrdatas=[data],
                managed_zone=self._settings.dns_zone,
                project=self._settings.dns_project or self._project,
                opts=self.child(self._apis),
            )
