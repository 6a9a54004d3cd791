"""The real cert-manager issues by Issuers of its own and injects CAs; it may start before its definitions."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from cryptography import x509

import cluster as kube
from rehearsal import assets
from rehearsal.engine import charts
from tests.rehearsal.plane import Plane, running, until

API = "cert-manager.io/v1"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    if "cert-manager" not in assets.find(["cert-manager"]):
        pytest.skip("cert-manager not found; `python -m serving rehearse --prepare` gets it")
    with running(tmp_path_factory.mktemp("cert-manager"), ["rehearsal.cert_manager"]) as plane:
        work = tmp_path_factory.mktemp("charts")
        charts.lay_out(work)
        for file in work.glob("oci:/*/*/charts/cert-manager/templates/*.yaml"):
            guarded = file.read_text(encoding="utf-8").splitlines()[1:-1]
            for definition in yaml.safe_load_all("\n".join(guarded)):
                kube.apply(plane.client, definition, manager="test")
        until(lambda: kube.serves(plane.client, "certificates.cert-manager.io"))
        yield plane


def apply(plane: Plane, api_version: str, kind: str, name: str, **fields: Any) -> None:
    metadata = {"name": name, **({"namespace": "default"} if api_version == API else {}), **fields.pop("metadata", {})}
    obj = {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}
    kube.apply(plane.client, obj, manager="test")


def issued(plane: Plane, name: str) -> x509.Certificate:
    secret = until(lambda: kube.get(plane.client, "v1", "Secret", name, "default"))
    assert secret
    return x509.load_pem_x509_certificate(base64.b64decode(secret["data"]["tls.crt"]))


def test_a_ca_issues_and_its_bundle_is_injected_where_an_annotation_asks_for_it(plane: Plane) -> None:
    apply(plane, API, "Issuer", "self-signed", spec={"selfSigned": {}})
    reference = {"kind": "Issuer", "name": "self-signed"}
    spec: dict[str, Any] = {"secretName": "ca", "isCA": True, "commonName": "ca", "issuerRef": reference}
    apply(plane, API, "Certificate", "ca", spec=spec)
    apply(plane, API, "Issuer", "ca", spec={"ca": {"secretName": "ca"}})
    reference = {"kind": "Issuer", "name": "ca"}
    apply(plane, API, "Certificate", "leaf", spec={"secretName": "leaf", "dnsNames": ["a.b"], "issuerRef": reference})
    assert issued(plane, "leaf").issuer == issued(plane, "ca").subject

    client = {"service": {"name": "s", "namespace": "default"}}
    webhook = {"name": "w.test.io", "clientConfig": client, "sideEffects": "None", "admissionReviewVersions": ["v1"]}
    group, kind = "admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"
    asks = {"annotations": {"cert-manager.io/inject-ca-from": "default/leaf"}}
    apply(plane, group, kind, "w", metadata=asks, webhooks=[webhook])

    def bundle() -> Any:
        found = kube.get(plane.client, group, kind, "w")
        return found and found["webhooks"][0]["clientConfig"].get("caBundle")

    assert x509.load_pem_x509_certificate(base64.b64decode(until(bundle))) == issued(plane, "ca")
