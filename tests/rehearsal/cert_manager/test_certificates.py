"""What is issued for a Certificate, and when."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from rehearsal.cert_manager.certificates import (
    duration,
    issue_secret,
    judge_issuer,
    ready_condition,
    reason_to_issue,
    renewal,
    status,
)
from rehearsal.cert_manager.keys import Pair, read_pair
from tests.rehearsal.cert_manager.objects import CA_ISSUER, CLUSTER_CA, SELF_SIGNED, Obj, certificate, root

NOW = datetime.now(UTC)


def issued(wanted: Obj, issuer: Obj = SELF_SIGNED, *present: Obj) -> tuple[Obj, Pair]:
    secrets = {(s["metadata"]["namespace"], s["metadata"]["name"]): s for s in present}
    secret = issue_secret(wanted, issuer, secrets)
    pair = read_pair(secret)
    assert pair is not None
    return secret, pair


def names_of(pair: Pair) -> list[Any]:
    found = pair.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [item.value if isinstance(item, x509.DNSName) else str(item.value) for item in found]


def test_a_self_signed_certificate_is_its_own_authority() -> None:
    secret, pair = issued(certificate(dnsNames=["a", "*.b"], ipAddresses=["127.0.0.1"]))
    assert secret["type"] == "kubernetes.io/tls"
    assert sorted(secret["data"]) == ["ca.crt", "tls.crt", "tls.key"]
    assert secret["data"]["ca.crt"] == secret["data"]["tls.crt"]
    assert names_of(pair) == ["a", "*.b", "127.0.0.1"]
    pair.certificate.verify_directly_issued_by(pair.certificate)


@pytest.mark.parametrize("issuer", [CA_ISSUER, CLUSTER_CA])
def test_a_ca_issuer_signs_with_its_pair(issuer: Obj) -> None:
    authority = root()
    authority["metadata"]["namespace"] = issuer["metadata"].get("namespace") or "cert-manager"
    _, pair = issued(certificate(), issuer, authority)
    signer = read_pair(authority)
    assert signer is not None
    pair.certificate.verify_directly_issued_by(signer.certificate)
    assert pair.authority == base64.b64decode(authority["data"]["tls.crt"])
    assert signer.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not pair.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_usages_are_those_asked_for() -> None:
    _, pair = issued(certificate(usages=["digital signature", "server auth", "client auth"]))
    usage = pair.certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_encipherment, usage.key_cert_sign) == (True, False, False)
    extended = pair.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(extended) == [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]


@pytest.mark.parametrize(
    ("wanted", "kind", "size"),
    [
        (None, rsa.RSAPrivateKey, 2048),
        ({"algorithm": "RSA", "size": 3072}, rsa.RSAPrivateKey, 3072),
        ({"algorithm": "ECDSA", "size": 384}, ec.EllipticCurvePrivateKey, 384),
        ({"algorithm": "Ed25519"}, ed25519.Ed25519PrivateKey, None),
    ],
)
def test_the_key_is_the_one_asked_for(wanted: Obj | None, kind: type, size: int | None) -> None:
    secret, pair = issued(certificate(privateKey=wanted or {}))
    assert isinstance(pair.key, kind)
    assert getattr(pair.key, "key_size", None) == size
    assert b"PRIVATE KEY" in base64.b64decode(secret["data"]["tls.key"])


def test_the_duration_is_the_one_asked_for_or_ninety_days() -> None:
    for text, wanted in ((None, timedelta(days=90)), ("1h30m", timedelta(minutes=90))):
        _, pair = issued(certificate(duration=text))
        assert pair.certificate.not_valid_after_utc - pair.certificate.not_valid_before_utc == wanted
    assert duration("2160h0m0s") == timedelta(days=90)
    assert duration("1500ms") == timedelta(seconds=1.5)
    assert duration(None) is None


def test_an_existing_secret_keeps_its_type_and_the_template_is_used() -> None:
    present = {"metadata": {"namespace": "ns", "name": "web"}, "type": "Opaque", "data": {}}
    template = {"labels": {"a": "b"}, "annotations": {"cert-manager.io/allow-direct-injection": "true"}}
    secret, _ = issued(certificate(secretTemplate=template), SELF_SIGNED, present)
    assert secret["type"] == "Opaque"
    assert secret["metadata"]["labels"].items() >= {"a": "b"}.items()
    assert secret["metadata"]["annotations"].items() >= {
        "cert-manager.io/allow-direct-injection": "true",
        "cert-manager.io/certificate-name": "web",
        "cert-manager.io/issuer-name": "self",
    }.items()  # fmt: skip


def test_it_is_issued_when_missing_broken_foreign_changed_or_old_and_not_otherwise() -> None:
    wanted = certificate()
    secret, pair = issued(wanted)
    assert reason_to_issue(wanted, None, NOW) == "DoesNotExist"
    assert reason_to_issue(wanted, {**secret, "data": {}}, NOW) == "InvalidKeyPair"
    other = issued(certificate())[0]["data"]
    mixed = {**secret, "data": {**secret["data"], "tls.key": other["tls.key"]}}
    assert reason_to_issue(wanted, mixed, NOW) == "InvalidKeyPair"
    assert reason_to_issue(certificate("other", secretName="web"), secret, NOW) == "IncorrectCertificate"
    assert reason_to_issue(certificate(dnsNames=["new"]), secret, NOW) == "SpecChanged"
    assert reason_to_issue(wanted, secret, NOW) is None
    assert reason_to_issue(wanted, secret, pair.certificate.not_valid_after_utc - timedelta(days=31)) is None
    assert reason_to_issue(wanted, secret, pair.certificate.not_valid_after_utc - timedelta(days=29)) == "Renewing"


def test_it_is_renewed_before_its_end_as_asked() -> None:
    _, pair = issued(certificate())
    end = pair.certificate.not_valid_after_utc
    assert end - renewal(certificate(renewBefore="24h"), pair) == timedelta(days=1)
    assert end - renewal(certificate(renewBefore="9000h"), pair) == timedelta(days=30)


def test_a_renewal_keeps_the_key_only_where_it_may() -> None:
    for policy, same in (("Never", True), ("Always", False)):
        wanted = certificate(privateKey={"rotationPolicy": policy})
        first, before = issued(wanted)
        _, after = issued(wanted, SELF_SIGNED, first)
        assert (before.key.public_key() == after.key.public_key()) is same
        assert before.certificate.serial_number != after.certificate.serial_number


def test_issuers_are_ready_when_they_can_sign() -> None:
    authority = root()
    assert judge_issuer(SELF_SIGNED, {}).ready
    assert judge_issuer(CA_ISSUER, {("ns", "root"): authority}).reason == "KeyPairVerified"
    assert judge_issuer(CA_ISSUER, {}).reason == "ErrGetKeyPair"
    assert judge_issuer(CLUSTER_CA, {("ns", "root"): authority}).ready is False
    acme = {**SELF_SIGNED, "spec": {"acme": {}}}
    assert "plays the issuers selfSigned and ca, not acme" in judge_issuer(acme, {}).message


def test_the_status_is_stable() -> None:
    wanted, (_, pair) = certificate(), issued(certificate())
    verdict = judge_issuer(SELF_SIGNED, {})
    first = status(wanted, pair, verdict, "2026-11-24T12:00:00Z")
    assert first["conditions"][0]["status"] == "True"
    assert set(first) == {"conditions", "notBefore", "notAfter", "renewalTime"}
    assert status({**wanted, "status": first}, pair, verdict, "2026-11-24T13:00:00Z") == first
    condition = ready_condition({**wanted, "status": first}, judge_issuer(CA_ISSUER, {}), "2026-11-24T13:00:00Z")
    assert (condition["status"], condition["lastTransitionTime"]) == ("False", "2026-11-24T13:00:00Z")
