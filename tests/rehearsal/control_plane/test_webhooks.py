"""Webhooks of Services on port 443 reach local processes, unmodified and without root."""

from __future__ import annotations

import base64
import json
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

import cluster as kube
from cluster.pods import PORTS_ANNOTATION
from tests.rehearsal.control_plane.waiting import until
from tests.rehearsal.control_plane.webhook_server import Webhook, serving
from tests.rehearsal.plane import Plane

NAMESPACE = "hooks"


@pytest.fixture(scope="module")
def webhook(plane: Plane) -> Iterator[Webhook]:
    """A webhook's Service on port 443, and its pod: a process on a port that the pod's annotation names."""
    with serving(f"webhook.{NAMESPACE}.svc") as server:
        apply(plane, "v1", "Namespace", NAMESPACE, None)
        until(lambda: kube.get(plane.client, "v1", "ServiceAccount", "default", NAMESPACE))
        ports = [{"port": 443, "targetPort": "https"}]
        apply(plane, "v1", "Service", "webhook", NAMESPACE, spec={"selector": {"app": "webhook"}, "ports": ports})
        make_pod(plane, "webhook", {"9443": f"127.0.0.1:{server.port}"})
        yield server


def apply(
    plane: Plane, api_version: str, kind: str, name: str, namespace: str | None, **content: Any
) -> kube.KubeObject:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **content.pop("metadata", {})}
    return kube.apply(
        plane.client, {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}, manager="test"
    )


def make_pod(plane: Plane, name: str, ports: dict[str, str], *, ready: bool = True) -> kube.KubeObject:
    """A pod as a kubelet leaves it: on a node, with an address, and Ready."""
    apply(plane, "v1", "Node", "node", None)
    container = {"name": "c", "image": "i", "ports": [{"name": "https", "containerPort": 9443}]}
    metadata = {"labels": {"app": name}, "annotations": {PORTS_ANNOTATION: json.dumps(ports)}}
    spec = {"nodeName": "node", "containers": [container], "tolerations": [{"operator": "Exists"}]}
    pod = apply(plane, "v1", "Pod", name, NAMESPACE, metadata=metadata, spec=spec)
    set_ready(plane, pod, ready)
    return pod


def set_ready(plane: Plane, pod: kube.KubeObject, ready: bool) -> None:
    address = plane.directory.load_record().pod_cidr.replace("0.0/16", "0.9")
    conditions = [{"type": "Ready", "status": str(ready)}]
    status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": conditions}
    assert kube.patch_status(plane.client, pod, status, manager="kubelet")


def validate(plane: Plane, service: str, resource: str, authority: bytes) -> None:
    """Ask a webhook of the Service on port 443 about new objects of a core resource in our namespace."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [resource]}
    place = {"namespace": NAMESPACE, "name": service, "port": 443, "path": "/validate"}
    hook = {
        "name": "webhook.example.com",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}},
        "clientConfig": {"service": place, "caBundle": base64.b64encode(authority).decode()},
    }
    api = "admissionregistration.k8s.io/v1"
    apply(plane, api, "ValidatingWebhookConfiguration", service, None, webhooks=[hook])


def refusal(plane: Plane, kind: str, **metadata: Any) -> str:
    """What the API server says to a new object; empty where it takes it."""
    try:
        apply(plane, "v1", kind, "probe", NAMESPACE, metadata=metadata)
        kube.delete(plane.client, "v1", kind, "probe", NAMESPACE)
    except kube.ApiException as error:
        return str(error.body)
    return ""


def test_an_admission_webhook_on_port_443_is_asked_and_nobody_listens_there(plane: Plane, webhook: Webhook) -> None:
    validate(plane, "webhook", "configmaps", webhook.authority)
    # The API server takes a new configuration within a second or so; until the proxy knows the Service, nobody answers.
    until(lambda: "refused by the webhook" in refusal(plane, "ConfigMap", labels={"deny": ""}))
    assert refusal(plane, "ConfigMap") == ""
    assert set(webhook.paths) == {"/validate?timeout=10s"}
    service = kube.get(plane.client, "v1", "Service", "webhook", NAMESPACE)
    assert service is not None
    with socket.socket() as probe:
        assert probe.connect_ex((service["spec"]["clusterIP"], 443)) != 0


def test_without_a_ready_pod_the_api_server_says_so(plane: Plane, webhook: Webhook) -> None:
    ports = [{"port": 443, "targetPort": 9443}]
    apply(plane, "v1", "Service", "empty", NAMESPACE, spec={"selector": {"app": "empty"}, "ports": ports})
    make_pod(plane, "empty", {"9443": f"127.0.0.1:{webhook.port}"}, ready=False)
    validate(plane, "empty", "secrets", webhook.authority)
    said = until(lambda: refusal(plane, "Secret"))
    assert "failed calling webhook" in said
    assert "code 502" in said


def test_only_the_api_server_may_use_the_egress_proxy(plane: Plane) -> None:
    port = plane.directory.load_record().ports["egress-proxy"]
    context = ssl.create_default_context(cafile=str(plane.directory.certs / "ca.crt"))
    assert ask(context, port) == b""
    context.load_cert_chain(plane.directory.certs / "tls.crt", plane.directory.certs / "tls.key")
    answer = ask(context, port)
    assert answer.startswith(b"HTTP/1.1 502")
    assert answer.endswith(b"no Service has the address 8.8.8.8:443\n")


def test_etcd_takes_only_the_api_server(plane: Plane) -> None:
    record = plane.directory.load_record()
    for name in ("etcd", "etcd-peer"):
        context = ssl.create_default_context(cafile=str(plane.directory.certs / "ca.crt"))
        assert ask(context, record.ports[name], b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n") == b""


def ask(context: ssl.SSLContext, port: int, request: bytes = b"CONNECT 8.8.8.8:443 HTTP/1.1\r\n\r\n") -> bytes:
    """The answer of a server; empty where it ends the connection first."""
    try:
        with (
            socket.create_connection(("127.0.0.1", port), 30) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as tls,
        ):
            tls.sendall(request)
            answer = b""
            while chunk := tls.recv(4096):
                answer += chunk
            return answer
    except (ssl.SSLError, ConnectionError):
        return b""


def test_the_api_servers_certificate_holds_for_every_name_it_is_called_by(plane: Plane) -> None:
    record = plane.directory.load_record()
    context = ssl.create_default_context(cafile=str(plane.directory.certs / "ca.crt"))
    first = record.service_cidr.replace("0.0/16", "0.1")
    for name in ("127.0.0.1", "localhost", "kubernetes.default.svc", first):
        with socket.create_connection(("127.0.0.1", record.ports["kube-apiserver"])) as raw:
            context.wrap_socket(raw, server_hostname=name).close()
