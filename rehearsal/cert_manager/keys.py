"""Keys and certificates: made from the fields of a Certificate, read from a Secret."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_CURVES: dict[int, ec.EllipticCurve] = {256: ec.SECP256R1(), 384: ec.SECP384R1(), 521: ec.SECP521R1()}
# Usages of a Certificate by what they are in X.509 (cert-manager's API reference, KeyUsage).
_KEY_USAGES = {
    "digital signature": "digital_signature",
    "signing": "digital_signature",
    "content commitment": "content_commitment",
    "key encipherment": "key_encipherment",
    "data encipherment": "data_encipherment",
    "key agreement": "key_agreement",
    "cert sign": "key_cert_sign",
    "crl sign": "crl_sign",
}
_EXTENDED_USAGES = {
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp signing": ExtendedKeyUsageOID.OCSP_SIGNING,
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
}
_DEFAULT_USAGES = ("digital signature", "key encipherment")


@dataclass(frozen=True)
class Pair:
    """A certificate with its key. `authority` is the PEM of the certificate that signed it."""

    certificate: x509.Certificate
    key: PrivateKey
    authority: bytes

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def data(self, encoding: str = "PKCS1") -> dict[str, str]:
        """The Secret's data, base64. RSA and EC keys are in their own form unless PKCS8 is asked for."""
        own = encoding != "PKCS8" and not isinstance(self.key, ed25519.Ed25519PrivateKey)
        form = serialization.PrivateFormat.TraditionalOpenSSL if own else serialization.PrivateFormat.PKCS8
        key = self.key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        content = {"tls.crt": self.certificate_pem, "tls.key": key, "ca.crt": self.authority}
        return {name: base64.b64encode(value).decode() for name, value in content.items()}


def read_pair(secret: Mapping[str, Any]) -> Pair | None:
    """The pair in a Secret; None where there is none or the key is another certificate's."""
    data = secret.get("data") or {}
    try:
        certificate = x509.load_pem_x509_certificate(base64.b64decode(data["tls.crt"]))
        key = serialization.load_pem_private_key(base64.b64decode(data["tls.key"]), None)
    except (KeyError, ValueError, TypeError, binascii.Error):
        return None
    if not isinstance(key, PrivateKey) or certificate.public_key() != key.public_key():
        return None
    return Pair(certificate, key, base64.b64decode(data.get("ca.crt") or ""))


def new_key(spec: Mapping[str, Any]) -> PrivateKey:
    """A key as `privateKey` asks: RSA of 2048 bits by default."""
    wanted = spec.get("privateKey") or {}
    match wanted.get("algorithm", "RSA"):
        case "ECDSA":
            return ec.generate_private_key(_CURVES[wanted.get("size") or 256])
        case "Ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return rsa.generate_private_key(public_exponent=65537, key_size=wanted.get("size") or 2048)


def issue(spec: Mapping[str, Any], key: PrivateKey, issuer: Pair | None, duration: timedelta) -> Pair:
    """A certificate for a Certificate's spec, signed by `issuer`, or by its own key where that is None."""
    subject = _subject(spec)
    signer = issuer.key if issuer else key
    now = datetime.now(UTC).replace(microsecond=0)
    is_ca = bool(spec.get("isCA"))
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + duration)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    usages = [*(spec.get("usages") or _DEFAULT_USAGES), *(["cert sign"] if is_ca else [])]
    builder = builder.add_extension(_key_usage(usages), critical=True)
    extended = [_EXTENDED_USAGES[usage] for usage in usages if usage in _EXTENDED_USAGES]
    if extended:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    names = _alternative_names(spec)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not list(subject))
    hashing = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    certificate = builder.sign(signer, hashing)
    authority = issuer.certificate_pem if issuer else certificate.public_bytes(serialization.Encoding.PEM)
    return Pair(certificate, key, authority)


def _subject(spec: Mapping[str, Any]) -> x509.Name:
    names = [x509.NameAttribute(NameOID.COMMON_NAME, spec["commonName"])] if spec.get("commonName") else []
    organizations = (spec.get("subject") or {}).get("organizations") or []
    return x509.Name([*names, *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in organizations)])


def _key_usage(usages: Sequence[str]) -> x509.KeyUsage:
    chosen = {_KEY_USAGES[usage] for usage in usages if usage in _KEY_USAGES}
    flags = {name: name in chosen for name in _KEY_USAGES.values()}
    return x509.KeyUsage(**flags, encipher_only=False, decipher_only=False)


def _alternative_names(spec: Mapping[str, Any]) -> list[x509.GeneralName]:
    return [
        *(x509.DNSName(name) for name in spec.get("dnsNames") or ()),
        *(x509.IPAddress(ipaddress.ip_address(item)) for item in spec.get("ipAddresses") or ()),
        *(x509.UniformResourceIdentifier(item) for item in spec.get("uris") or ()),
        *(x509.RFC822Name(item) for item in spec.get("emailAddresses") or ()),
    ]
