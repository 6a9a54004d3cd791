"""Issuers, Certificates and Secrets for the tests."""

from __future__ import annotations

from typing import Any

from rehearsal.cert_manager.certificates import API, issue_secret

Obj = dict[str, Any]


def obj(api: str, kind: str, name: str, spec: Obj, namespace: str | None = "ns") -> Obj:
    metadata: Obj = {"name": name, "generation": 1, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec}


SELF_SIGNED = obj(API, "Issuer", "self", {"selfSigned": {}})
CA_ISSUER = obj(API, "Issuer", "ca", {"ca": {"secretName": "root"}})
CLUSTER_CA = obj(API, "ClusterIssuer", "ca", {"ca": {"secretName": "root"}}, None)


def certificate(name: str = "web", **spec: Any) -> Obj:
    reference = {"name": "self", "kind": "Issuer", "group": "cert-manager.io"}
    return obj(
        API, "Certificate", name, {"secretName": name, "dnsNames": ["web.ns.svc"], "issuerRef": reference, **spec}
    )


def root() -> Obj:
    """The Secret of a self-signed CA."""
    return issue_secret(certificate("root", isCA=True, commonName="root", dnsNames=[]), SELF_SIGNED, {})
