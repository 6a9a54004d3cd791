"""The process in a real cluster: Certificate to Secret, CA into webhooks and conversions."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import yaml

import cluster as kube
from rehearsal import assets
from rehearsal.cert_manager.certificates import API
from tests.rehearsal.cert_manager.objects import CA_ISSUER, SELF_SIGNED, Obj, certificate, obj
from tests.rehearsal.gke.plane import Plane, running, settled, until

ANNOTATION = {"cert-manager.io/inject-ca-from": "ns/web"}
ADMISSION = "admissionregistration.k8s.io/v1"
CRD_API = "apiextensions.k8s.io/v1"


def definitions() -> Iterator[Obj]:
    """cert-manager's own, which are chart templates: the lines with braces go."""
    try:
        folder = assets.module_dir("cert-manager") / "deploy" / "crds"
    except assets.AssetError as error:
        pytest.skip(f"{error}; `python -m serving rehearse --prepare` gets it")
    for path in sorted(folder.glob("*.yaml")):
        text = "\n".join(line for line in path.read_text(encoding="utf-8").splitlines() if "{{" not in line)
        yield from (document for document in yaml.safe_load_all(text) if document)


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    crds = list(definitions())
    with running(tmp_path_factory.mktemp("certs"), ("rehearsal.cert_manager",)) as made:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns"}}
        for item in (namespace, *crds):
            kube.apply(made.client, item, manager="test")
        for item in crds:
            until(partial(kube.serves, made.client, item["metadata"]["name"]))
        yield made


def apply(plane: Plane, *objects: Obj) -> None:
    for item in objects:
        metadata = {key: value for key, value in item["metadata"].items() if key != "generation"}
        kube.apply(plane.client, {**item, "metadata": metadata}, manager="test")


def ready(plane: Plane, kind: str, name: str) -> Obj:
    found = kube.get(plane.client, API, kind, name, "ns") or {}
    conditions = (found.get("status") or {}).get("conditions") or [{}]
    return dict(conditions[0])


def secret(plane: Plane, name: str) -> Obj | None:
    return kube.get(plane.client, "v1", "Secret", name, "ns")


def webhook(**annotations: str) -> Obj:
    service = {"name": "hook", "namespace": "ns", "path": "/"}
    hook = {
        "name": "hook.example.com",
        "clientConfig": {"service": service},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Ignore",
        "rules": [{"apiGroups": ["example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["x"]}],
    }
    made = obj(ADMISSION, "ValidatingWebhookConfiguration", "hook", {}, None)
    made["metadata"]["annotations"] = annotations
    del made["spec"]
    return {**made, "webhooks": [hook]}


def conversion() -> Obj:
    names = {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"}
    client = {"service": {"name": "hook", "namespace": "ns", "path": "/convert"}}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    spec = {
        "group": "example.com",
        "scope": "Namespaced",
        "names": names,
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        "conversion": {
            "strategy": "Webhook",
            "webhook": {"clientConfig": client, "conversionReviewVersions": ["v1"]},
        },
    }
    made = obj(CRD_API, "CustomResourceDefinition", "things.example.com", spec, None)
    made["metadata"]["annotations"] = ANNOTATION
    return made


def bundle(plane: Plane, api: str, kind: str, name: str, *path: Any) -> Any:
    found: Any = kube.get(plane.client, api, kind, name)
    for part in path:
        found = found[part]
    return found.get("caBundle")


def test_a_certificate_becomes_a_secret_and_its_ca_is_injected(plane: Plane) -> None:
    apply(plane, webhook(**ANNOTATION), conversion(), SELF_SIGNED, certificate())
    until(lambda: ready(plane, "Certificate", "web").get("status") == "True")
    until(lambda: ready(plane, "Issuer", "self").get("status") == "True")
    made = secret(plane, "web")
    assert made is not None
    assert made["type"] == "kubernetes.io/tls"
    wanted = made["data"]["ca.crt"]
    kind = "ValidatingWebhookConfiguration"
    until(lambda: bundle(plane, ADMISSION, kind, "hook", "webhooks", 0, "clientConfig") == wanted)
    path = ("spec", "conversion", "webhook", "clientConfig")
    until(lambda: bundle(plane, CRD_API, "CustomResourceDefinition", "things.example.com", *path) == wanted)


def test_a_deleted_secret_is_made_again_and_its_new_ca_injected(plane: Plane) -> None:
    before = secret(plane, "web")
    assert before is not None
    kube.delete(plane.client, "v1", "Secret", "web", "ns")
    until(lambda: (secret(plane, "web") or before)["data"]["ca.crt"] != before["data"]["ca.crt"])
    now = secret(plane, "web")
    assert now is not None
    kind = "ValidatingWebhookConfiguration"
    until(lambda: bundle(plane, ADMISSION, kind, "hook", "webhooks", 0, "clientConfig") == now["data"]["ca.crt"])


def test_a_certificate_waits_for_its_issuer_and_the_issuer_for_its_ca(plane: Plane) -> None:
    leaf = certificate("leaf", issuerRef={"name": "ca", "kind": "Issuer", "group": "cert-manager.io"})
    apply(plane, leaf)
    until(lambda: "not found" in ready(plane, "Certificate", "leaf").get("message", ""))
    apply(plane, CA_ISSUER)
    until(lambda: ready(plane, "Issuer", "ca").get("reason") == "ErrGetKeyPair")
    apply(plane, certificate("root", isCA=True, commonName="root", dnsNames=["root"]))
    until(lambda: ready(plane, "Certificate", "leaf").get("status") == "True")
    made, authority = secret(plane, "leaf"), secret(plane, "root")
    assert made is not None
    assert authority is not None
    assert made["data"]["ca.crt"] == authority["data"]["tls.crt"]


def test_a_secret_that_is_there_keeps_its_type(plane: Plane) -> None:
    present = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "old", "namespace": "ns"}, "type": "Opaque"}
    kube.apply(plane.client, {**present, "data": {}}, manager="test")
    apply(plane, certificate("old"))
    until(lambda: ready(plane, "Certificate", "old").get("status") == "True")
    made = secret(plane, "old")
    assert made is not None
    assert made["type"] == "Opaque"
    assert {"tls.crt", "tls.key", "ca.crt"} <= set(made["data"])


def test_nothing_is_written_when_nothing_changed(plane: Plane) -> None:
    def versions() -> list[str]:
        kinds = ((API, "Certificate"), (API, "Issuer"), ("v1", "Secret"))
        return [
            o["metadata"]["resourceVersion"] for api, kind in kinds for o in kube.list_objects(plane.client, api, kind)
        ]

    before = settled(versions)
    apply(plane, certificate("last"))
    until(lambda: ready(plane, "Certificate", "last").get("status") == "True")
    kube.delete(plane.client, API, "Certificate", "last", "ns")
    kube.delete(plane.client, "v1", "Secret", "last", "ns")
    until(lambda: secret(plane, "last") is None)
    assert versions() == before
