"""Certificates of HTTPS listeners: from a Secret, or made here in place of those that Google Cloud keeps."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rehearsal.directory import write_private
from rehearsal.gke.gateway.world import Key, KubeObject, key_of
from rehearsal.load_balancer.listeners import Certificate

_LIFE = timedelta(days=365)


class Certificates:
    """Certificates for listeners; those made here are kept in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._secrets: Mapping[Key, KubeObject] = {}

    def use(self, secrets: Mapping[Key, KubeObject]) -> None:
        """Take these Secrets from now on."""
        self._secrets = secrets

    def of(self, gateway: KubeObject, listener: Mapping[str, Any]) -> tuple[Certificate, ...]:
        """The certificates of an HTTPS listener; a Secret without a usable pair gives none."""
        references = (listener.get("tls") or {}).get("certificateRefs") or ()
        if not references:
            return (self._own("_".join(key_of(gateway)), listener.get("hostname")),)
        namespace = key_of(gateway)[0]
        secrets = (self._secrets.get((item.get("namespace") or namespace, item["name"])) for item in references)
        return tuple(found for secret in secrets if secret and (found := _of_secret(secret)))

    def _own(self, name: str, hostname: str | None) -> Certificate:
        chain, key = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        if not (chain.exists() and key.exists()):
            names = ["localhost", *([hostname] if hostname else [])]
            certificate, private = self_signed(names)
            write_private(key, private)
            write_private(chain, certificate)
        return Certificate(chain.read_text("utf-8"), key.read_text("utf-8"))


def self_signed(names: Sequence[str]) -> tuple[str, str]:
    """A certificate for these DNS names and 127.0.0.1, and its key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[-1])])
    alternatives = [*map(x509.DNSName, names), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


def _of_secret(secret: KubeObject) -> Certificate | None:
    """None where Envoy would refuse the pair, and every other listener with it."""
    data = secret.get("data") or {}
    try:
        chain, key = base64.b64decode(data["tls.crt"]), base64.b64decode(data["tls.key"])
        certified = x509.load_pem_x509_certificate(chain).public_key()
        if serialization.load_pem_private_key(key, None).public_key() != certified:
            return None
    except (KeyError, ValueError, TypeError, binascii.Error):
        return None
    return Certificate(chain.decode(), key.decode())
