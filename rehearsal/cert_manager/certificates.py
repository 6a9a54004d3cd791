"""Issuers and Certificates: what is ready, what has to be issued, and the Secret that comes of it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rehearsal.cert_manager.keys import Pair, issue, new_key, read_pair

Obj = Mapping[str, Any]
Secrets = Mapping[tuple[str, str], Obj]

GROUP = "cert-manager.io"
API = f"{GROUP}/v1"
# Where a ClusterIssuer's Secret is (cert-manager's --cluster-resource-namespace).
CLUSTER_NAMESPACE = "cert-manager"
_DEFAULT_DURATION = timedelta(hours=2160)
_SPEC_HASH = "rehearsal.tpu-serving/certificate-spec"
_FIELDS = (
    "commonName", "dnsNames", "ipAddresses", "uris", "emailAddresses", "usages", "isCA", "privateKey", "subject",
    "issuerRef", "duration",
)  # fmt: skip
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


@dataclass(frozen=True)
class Verdict:
    """A condition `Ready`."""

    ready: bool
    reason: str
    message: str


def duration(text: str | None) -> timedelta | None:
    """`2160h0m0s` as a time span; None where nothing is given."""
    if not text:
        return None
    return timedelta(seconds=sum(float(n) * _UNITS[unit] for n, unit in re.findall(r"([0-9.]+)(ms|h|m|s)", text)))


def judge_issuer(issuer: Obj, secrets: Secrets) -> Verdict:
    """Whether an Issuer or ClusterIssuer can sign."""
    spec = issuer["spec"]
    if "selfSigned" in spec:
        return Verdict(True, "IsReady", "")
    if "ca" not in spec:
        kinds = ", ".join(sorted(spec))
        return Verdict(False, "NotPlayed", f"the rehearsal plays the issuers selfSigned and ca, not {kinds}")
    namespace = issuer["metadata"].get("namespace") or CLUSTER_NAMESPACE
    secret = secrets.get((namespace, spec["ca"]["secretName"]))
    if secret is None or read_pair(secret) is None:
        text = f'Error getting keypair for CA issuer: secret "{spec["ca"]["secretName"]}" not found'
        return Verdict(False, "ErrGetKeyPair", text)
    return Verdict(True, "KeyPairVerified", "Signing CA verified")


def signer(issuer: Obj, secrets: Secrets) -> Pair | None:
    """The pair of a CA issuer that is ready; None for a self-signed one."""
    if "ca" not in issuer["spec"]:
        return None
    namespace = issuer["metadata"].get("namespace") or CLUSTER_NAMESPACE
    return read_pair(secrets[namespace, issuer["spec"]["ca"]["secretName"]])


def reason_to_issue(certificate: Obj, secret: Obj | None, now: datetime) -> str | None:
    """Why a Certificate has to be issued (again); None where its Secret is good."""
    if secret is None:
        return "DoesNotExist"
    pair = read_pair(secret)
    if pair is None:
        return "InvalidKeyPair"
    annotations = secret["metadata"].get("annotations") or {}
    if annotations.get(f"{GROUP}/certificate-name") != certificate["metadata"]["name"]:
        return "IncorrectCertificate"
    if annotations.get(_SPEC_HASH) != spec_hash(certificate):
        return "SpecChanged"
    return "Renewing" if now >= renewal(certificate, pair) else None


def spec_hash(certificate: Obj) -> str:
    """A digest of the fields that the certificate itself depends on."""
    spec = {key: certificate["spec"][key] for key in _FIELDS if key in certificate["spec"]}
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:32]


def renewal(certificate: Obj, pair: Pair) -> datetime:
    """When it is renewed: `renewBefore` its end, or after two thirds of its life."""
    start, end = pair.certificate.not_valid_before_utc, pair.certificate.not_valid_after_utc
    before = duration(certificate["spec"].get("renewBefore"))
    return end - (before if before and before < end - start else (end - start) / 3)


def issue_secret(certificate: Obj, issuer: Obj, secrets: Secrets) -> dict[str, Any]:
    """The Secret of a Certificate. One that is there keeps its type, which can't be changed, and its key if it may."""
    spec, metadata = certificate["spec"], certificate["metadata"]
    present = secrets.get((metadata["namespace"], spec["secretName"]))
    old = read_pair(present) if present else None
    rotation = (spec.get("privateKey") or {}).get("rotationPolicy", "Always")
    unchanged = present and (present["metadata"].get("annotations") or {}).get(_SPEC_HASH) == spec_hash(certificate)
    key = old.key if old and unchanged and rotation == "Never" else new_key(spec)
    pair = issue(spec, key, signer(issuer, secrets), duration(spec.get("duration")) or _DEFAULT_DURATION)
    reference, template = spec["issuerRef"], spec.get("secretTemplate") or {}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": spec["secretName"],
            "namespace": metadata["namespace"],
            "labels": {**(template.get("labels") or {}), f"controller.{GROUP}/fao": "true"},
            "annotations": {
                **(template.get("annotations") or {}),
                f"{GROUP}/certificate-name": metadata["name"],
                f"{GROUP}/issuer-name": reference["name"],
                f"{GROUP}/issuer-kind": reference.get("kind", "Issuer"),
                f"{GROUP}/issuer-group": reference.get("group", ""),
                f"{GROUP}/common-name": spec.get("commonName", ""),
                f"{GROUP}/alt-names": ",".join(spec.get("dnsNames") or ()),
                f"{GROUP}/ip-sans": ",".join(spec.get("ipAddresses") or ()),
                _SPEC_HASH: spec_hash(certificate),
            },
        },
        "type": (present or {}).get("type") or "kubernetes.io/tls",
        "data": pair.data((spec.get("privateKey") or {}).get("encoding", "PKCS1")),
    }


def find_issuer(certificate: Obj, get: Callable[[str, str, str], Obj | None]) -> Obj | None:
    """The issuer that a Certificate names. `get(kind, namespace, name)` looks it up."""
    reference = certificate["spec"]["issuerRef"]
    kind = reference.get("kind", "Issuer")
    if reference.get("group", GROUP) != GROUP or kind not in ("Issuer", "ClusterIssuer"):
        return None
    namespace = certificate["metadata"]["namespace"] if kind == "Issuer" else ""
    return get(kind, namespace, reference["name"])


def status(certificate: Obj, pair: Pair | None, verdict: Verdict, now: str) -> dict[str, Any]:
    """A Certificate's status."""
    result: dict[str, Any] = {"conditions": [ready_condition(certificate, verdict, now)]}
    if pair is not None:
        result["notBefore"] = _stamp(pair.certificate.not_valid_before_utc)
        result["notAfter"] = _stamp(pair.certificate.not_valid_after_utc)
        result["renewalTime"] = _stamp(renewal(certificate, pair))
    return result


def ready_condition(obj: Obj, verdict: Verdict, now: str) -> dict[str, Any]:
    """The condition with generation and time; the time stays while the status does."""
    wanted = "True" if verdict.ready else "False"
    known = (obj.get("status") or {}).get("conditions") or ()
    old = next((c for c in known if c["type"] == "Ready"), None)
    since = old["lastTransitionTime"] if old and old["status"] == wanted else now
    return {
        "type": "Ready",
        "status": wanted,
        "reason": verdict.reason,
        "message": verdict.message,
        "observedGeneration": obj["metadata"]["generation"],
        "lastTransitionTime": since,
    }


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
