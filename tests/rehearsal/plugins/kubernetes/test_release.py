"""Helm releases: the real engine, the real Helm, a real API server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi import automation

import cluster as kube
from tests.rehearsal.plugins.kubernetes import widgets
from tests.rehearsal.plugins.kubernetes.conftest import Plane, Stack

Json = dict[str, Any]
TEMPLATE = """apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-settings
  namespace: {{ .Release.Namespace }}
data:
  token: {{ .Values.token | quote }}
"""
NEVER_READY = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: stuck
spec:
  selector: {matchLabels: {app: stuck}}
  template:
    metadata: {labels: {app: stuck}}
    spec: {containers: [{name: main, image: example.com/none}]}
"""


def chart(folder: Path, template: str = TEMPLATE) -> str:
    (folder / "templates").mkdir(parents=True)
    head = {"apiVersion": "v2", "name": "settings", "version": "1.2.3", "appVersion": "v9"}
    (folder / "Chart.yaml").write_text(json.dumps(head), encoding="utf-8")
    (folder / "templates" / "object.yaml").write_text(template, encoding="utf-8")
    return str(folder)


def release(secret: str = "", **arguments: Any) -> Callable[[pulumi.ResourceOptions], None]:
    def declare(options: pulumi.ResourceOptions) -> None:
        from pulumi_kubernetes.helm.v3 import Release

        if secret:
            arguments["values"] = {"token": pulumi.Output.secret(secret)}
        made = Release("release", opts=options, **arguments)
        pulumi.export("status", made.status)
        pulumi.export("names", made.resource_names)

    return declare


def test_install_upgrade_uninstall(plane: Plane, namespace: str, stack: Stack, tmp_path: Path) -> None:
    source = chart(tmp_path / "settings")
    value = f"hush-{namespace}"
    inputs: Json = {"name": "demo", "chart": source, "namespace": namespace, "atomic": True}
    stack.more = release(value, **inputs)
    assert stack.preview() == stack.up() == {"release": "create"}
    status = stack.stack.outputs()["status"].value
    assert status == {
        "appVersion": "v9",
        "chart": "settings",
        "name": "demo",
        "namespace": namespace,
        "revision": 1,
        "status": "deployed",
        "version": "1.2.3",
    }
    assert stack.stack.outputs()["names"].value == {"ConfigMap/v1": [f"{namespace}/demo-settings"]}
    assert value not in stack.checkpoint()
    assert not list((plane.directory.root / "helm").glob("*.json"))
    before = plane.writes()
    assert stack.up() == {"release": "same"}
    assert stack.refresh() == {"release": "refresh"}
    assert {k for k, n in plane.writes().items() if n != before.get(k) and k[1] in ("secrets", "configmaps")} == set()
    stack.more = release(**inputs, values={"token": "open"})
    assert stack.preview() == stack.up() == {"release": "update"}
    live = kube.get(plane.client, "v1", "ConfigMap", "demo-settings", namespace)
    assert live is not None
    assert live["data"] == {"token": "open"}
    assert stack.stack.outputs()["status"].value["revision"] == 2
    stack.destroy()
    assert kube.get(plane.client, "v1", "ConfigMap", "demo-settings", namespace) is None


def test_an_atomic_release_that_fails_leaves_nothing(
    namespace: str, plane: Plane, stack: Stack, tmp_path: Path
) -> None:
    inputs: Json = {"name": "stuck", "chart": chart(tmp_path / "stuck", NEVER_READY), "namespace": namespace}
    stack.more = release(**inputs, atomic=True, timeout=1)
    with pytest.raises(automation.CommandError, match="has been uninstalled due to atomic being set"):
        stack.up()
    assert "release" not in stack.state()
    assert kube.get(plane.client, "apps/v1", "Deployment", "stuck", namespace) is None
    stack.more = release(**inputs, timeout=1)
    with pytest.raises(automation.CommandError, match="was created, but failed to initialize completely"):
        stack.up()
    assert stack.state()["release"]["outputs"]["status"]["status"] == "failed"
    stack.destroy()
    assert kube.get(plane.client, "apps/v1", "Deployment", "stuck", namespace) is None


KSERVE = "oci://ghcr.io/kserve/charts/kserve-llmisvc-crd"
CERT_MANAGER = "oci://quay.io/jetstack/charts/cert-manager"


@pytest.mark.parametrize(
    ("reference", "version", "definition"),
    [
        (KSERVE, "v0.20.0", "llminferenceservices.serving.kserve.io"),
        (CERT_MANAGER, "v1.21.1", "certificates.cert-manager.io"),
    ],
)
def test_charts_of_the_lock_come_up(
    plane: Plane, namespace: str, stack: Stack, reference: str, version: str, definition: str
) -> None:
    stack.more = release(name="crds", chart=reference, version=version, namespace=namespace, atomic=True)
    stack.up()
    crd = kube.get(plane.client, "apiextensions.k8s.io/v1", "CustomResourceDefinition", definition)
    assert crd is not None
    assert stack.stack.outputs()["status"].value["version"] == version
    assert stack.up() == {"release": "same"}
    # A definition whose objects nobody has listed yet may go minutes later: its finalizer meets "storage is
    # (re)initializing", and is not always called again before its next resync (kube-apiserver 1.36, crd_finalizer.go).
    for made in kube.list_objects(plane.client, "apiextensions.k8s.io/v1", "CustomResourceDefinition"):
        served = next(item["name"] for item in made["spec"]["versions"] if item["served"])
        widgets.await_served(plane.client, f"{made['spec']['group']}/{served}", made["spec"]["names"]["kind"])
    stack.destroy()
    assert kube.get(plane.client, "apiextensions.k8s.io/v1", "CustomResourceDefinition", definition) is None


def test_what_is_not_played_is_refused(stack: Stack, namespace: str, tmp_path: Path) -> None:
    stack.more = release(name="x", chart=chart(tmp_path / "x"), namespace=namespace, verify=True)
    with pytest.raises(automation.CommandError, match="verify of a Helm release is not played"):
        stack.preview()
    stack.more = release(name="x", chart="oci://127.0.0.1:1/none", version="1.0.0", namespace=namespace)
    with pytest.raises(automation.CommandError, match="no module here has it"):
        stack.preview()
