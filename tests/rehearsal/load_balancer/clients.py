"""Clients with certificates."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key


def certificate_of(issuer: trustme.CA, uri: str, folder: Path) -> Path:
    """A certificate of a URI with its key, in one file; valid from yesterday until tomorrow."""
    authority = x509.load_pem_x509_certificate(issuer.cert_pem.bytes())
    key = load_pem_private_key(issuer.private_key_pem.bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    own, today, day = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC), timedelta(days=1)
    made = x509.CertificateBuilder(authority.subject, x509.Name([]), own.public_key(), 7, today - day, today + day)
    name = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)])
    file = folder / f"{uri.rpartition('/')[2]}.pem"
    private = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + made.add_extension(name, critical=True).sign(key, SHA256()).public_bytes(Encoding.PEM))
    return file


def context_of(certificate: Path | None) -> ssl.SSLContext:
    """What a client with a certificate, or with none, speaks TLS with; it trusts every server."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificate is not None:
        context.load_cert_chain(certificate)
    return context
