"""The rehearsal's own certificate authority, its server pairs and its service account key. Readable by the user only."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rehearsal.directory import write_private

_DAYS = 3650
# A certificate with less than this left is made again.
_RENEW_DAYS = 30
_SERVER_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")


def ensure(folder: Path, first_service_address: str) -> None:
    """Make what is missing, has other names than asked for, or ends soon: `ca`, `server`, `etcd`, `client` (each
    with `.crt` and `.key`), `service-account.key` and `.pub`. A new authority replaces everything it signed."""
    authority = _load_pair(folder, "ca")
    renewed = authority is None
    if authority is None:
        authority = _make_authority(folder)
    names = ("127.0.0.1", *_SERVER_NAMES, first_service_address)
    _ensure_pair(folder, "server", authority, names, ExtendedKeyUsageOID.SERVER_AUTH, renewed)
    _ensure_pair(folder, "etcd", authority, ("127.0.0.1", "localhost"), None, renewed)
    # The API server's own, towards etcd and the egress proxy.
    _ensure_pair(folder, "client", authority, (), ExtendedKeyUsageOID.CLIENT_AUTH, renewed)
    key_path = folder / "service-account.key"
    if not key_path.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        write_private(folder / "service-account.pub", public.decode())
        write_private(key_path, _pem(key))


_Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _load_pair(folder: Path, name: str) -> _Pair | None:
    """The pair, or None where it is missing, unreadable or ends soon."""
    try:
        certificate = x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes())
        key = serialization.load_pem_private_key((folder / f"{name}.key").read_bytes(), None)
    except (FileNotFoundError, ValueError):
        return None
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=_RENEW_DAYS)
    if certificate.not_valid_after_utc < soon or not isinstance(key, ec.EllipticCurvePrivateKey):
        return None
    return certificate, key


def _save(folder: Path, name: str, pair: _Pair) -> None:
    # The certificate last: a pair that a kill cut in two has no certificate and is made again.
    (folder / f"{name}.crt").unlink(missing_ok=True)
    write_private(folder / f"{name}.key", _pem(pair[1]))
    write_private(folder / f"{name}.crt", pair[0].public_bytes(serialization.Encoding.PEM).decode())


def _builder(common_name: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # A clock that is set back a little must not make it invalid.
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=_DAYS))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _make_authority(folder: Path) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    builder = _builder("tpu-serving rehearsal", key)
    builder = builder.issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tpu-serving rehearsal")]))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    pair = builder.add_extension(usage, critical=True).sign(key, hashes.SHA256()), key
    _save(folder, "ca", pair)
    return pair


def _ensure_pair(
    folder: Path,
    name: str,
    authority: _Pair,
    names: Sequence[str],
    usage: x509.ObjectIdentifier | None,
    renewed: bool,
) -> None:
    """`usage` None means both: etcd talks to itself as server and client."""
    wanted = x509.SubjectAlternativeName([_general_name(item) for item in names]) if names else None
    existing = None if renewed else _load_pair(folder, name)
    if existing is not None and _names_of(existing[0]) == wanted:
        return
    key = ec.generate_private_key(ec.SECP256R1())
    usages = [usage] if usage else [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = _builder(name, key).issuer_name(authority[0].subject)
    builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(authority[1].public_key()), critical=False
    )
    if wanted is not None:
        builder = builder.add_extension(wanted, critical=False)
    _save(folder, name, (builder.sign(authority[1], hashes.SHA256()), key))


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _names_of(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
