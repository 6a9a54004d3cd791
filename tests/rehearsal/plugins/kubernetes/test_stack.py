"""The real engine, a real API server, our plugin: what a user of `pulumi` sees."""

from __future__ import annotations

import threading
import time
from typing import Any

import pulumi
import pytest
from pulumi import automation

import cluster as kube
from tests.rehearsal.plugins.kubernetes.conftest import Plane, Stack
from tests.rehearsal.plugins.kubernetes.widgets import API, await_served, widget

Json = dict[str, Any]


def config_map(namespace: str, name: str, **data: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


def crd(namespace: str) -> Json:
    """A cluster-scoped kind of the test's own."""
    group = f"{namespace}.example.com"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"gadgets.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": "Gadget", "plural": "gadgets"},
            "scope": "Cluster",
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                }
            ],
        },
    }


def test_a_second_up_changes_nothing_and_writes_nothing(plane: Plane, namespace: str, stack: Stack) -> None:
    stack.objects = {"map": config_map(namespace, "m", a="1"), "widget": widget(namespace, "w", size=3)}
    assert stack.preview() == stack.up() == {"map": "create", "widget": "create"}
    before = plane.writes()
    assert stack.up() == {"map": "same", "widget": "same"}
    new = {key: n for key, n in plane.writes().items() if n != before.get(key)}
    assert not {key for key in new if key[1] in ("configmaps", "widgets")}


def test_preview_says_what_up_does(plane: Plane, namespace: str, stack: Stack) -> None:
    stack.objects = {"map": config_map(namespace, "m", a="1"), "widget": widget(namespace, "w", size=3)}
    stack.up()
    stack.objects = {"map": config_map(namespace, "m", a="2"), "widget": widget(namespace, "w", size=4)}
    # A ConfigMap's data are replaced, as pulumi-kubernetes does it by default.
    assert stack.preview() == stack.up() == {"map": "create-replacement", "widget": "update"}
    live = kube.get(plane.client, API, "Widget", "w", namespace)
    assert live is not None
    assert live["spec"] == {"size": 4, "colour": "grey"}
    changed = kube.get(plane.client, "v1", "ConfigMap", "m", namespace)
    assert changed is not None
    assert changed["data"] == {"a": "2"}
    del stack.objects["widget"]
    assert stack.preview() == stack.up() == {"map": "same", "widget": "delete"}
    assert kube.get(plane.client, API, "Widget", "w", namespace) is None


def test_an_object_of_a_kind_that_the_same_update_defines(plane: Plane, namespace: str, stack: Stack) -> None:
    definition = crd(namespace)
    group = definition["spec"]["group"]
    gadget = {"apiVersion": f"{group}/v1", "kind": "Gadget", "metadata": {"name": "g"}, "spec": {"a": 1}}
    stack.objects = {"definition": definition, "gadget": gadget}
    stack.options = {"gadget": {"depends_on": ["definition"]}}
    assert stack.preview() == stack.up() == {"definition": "create", "gadget": "create"}
    assert stack.up() == {"definition": "same", "gadget": "same"}
    stack.destroy()
    assert kube.get(plane.client, "apiextensions.k8s.io/v1", "CustomResourceDefinition", f"gadgets.{group}") is None


def test_a_definition_is_replaced_in_place(plane: Plane, namespace: str, stack: Stack) -> None:
    definition = crd(namespace)
    stack.objects = {"definition": definition}
    stack.up()
    made = kube.get(plane.client, definition["apiVersion"], definition["kind"], definition["metadata"]["name"])
    definition["spec"]["names"]["shortNames"] = ["gg"]
    assert stack.preview() == stack.up() == {"definition": "update"}
    now = kube.get(plane.client, definition["apiVersion"], definition["kind"], definition["metadata"]["name"])
    assert made is not None
    assert now is not None
    assert now["spec"]["names"]["shortNames"] == ["gg"]
    assert now["metadata"]["uid"] == made["metadata"]["uid"]
    await_served(plane.client, f"{definition['spec']['group']}/v1", "Gadget")  # why: test_release.py
    stack.destroy()


def test_an_object_that_is_not_ready_in_time_stays_in_the_state(plane: Plane, namespace: str, stack: Stack) -> None:
    waits = {"pulumi.com/waitFor": "condition=Ready", "pulumi.com/timeoutSeconds": "1"}
    stack.objects = {"widget": widget(namespace, "w", waits, size=1)}
    with pytest.raises(automation.CommandError) as failure:
        stack.up()
    said = str(failure.value)
    assert "was successfully created, but the Kubernetes API server reported that it failed to fully initialize" in said
    assert "timed out waiting for the condition" in said
    assert "Traceback" not in said
    assert stack.state()["widget"]["id"] == f"{namespace}/w"
    live = kube.get(plane.client, API, "Widget", "w", namespace)
    assert live is not None
    kube.patch_status(plane.client, live, {"conditions": [{"type": "Ready", "status": "True"}]}, manager="test")
    assert stack.up() == {"widget": "update"}
    assert "initErrors" not in stack.state()["widget"]
    assert stack.stack.outputs()["widget"].value["conditions"][0]["status"] == "True"


def test_destroy_awaits_finalizers(plane: Plane, namespace: str, stack: Stack) -> None:
    obj = widget(namespace, "w", size=1)
    obj["metadata"]["finalizers"] = ["test.example.com/guard"]
    stack.objects = {"widget": obj}
    stack.options = {"widget": {"custom_timeouts": pulumi.CustomTimeouts(delete="1s")}}
    stack.up()
    with pytest.raises(automation.CommandError, match=r"test\.example\.com/guard"):
        stack.destroy()
    stack.options = {}
    stack.up()
    release = threading.Thread(target=_release_once_deleted, args=(plane, namespace))
    release.start()
    stack.destroy()
    release.join()
    assert kube.get(plane.client, API, "Widget", "w", namespace) is None


def _release_once_deleted(plane: Plane, namespace: str) -> None:
    while True:
        live = kube.get(plane.client, API, "Widget", "w", namespace)
        assert live is not None
        if live["metadata"].get("deletionTimestamp"):
            live["metadata"].pop("managedFields")
            live["metadata"]["finalizers"] = []
            kube.apply(plane.client, live, manager="test")
            path = kube.path_of(plane.client, API, "Widget", namespace, "w")
            plane.client.request(
                "patch",
                path,
                body=[{"op": "remove", "path": "/metadata/finalizers"}],
                content_type="application/json-patch+json",
            )
            return
        time.sleep(0.05)


def test_refresh_sees_drift_and_up_undoes_it(plane: Plane, namespace: str, stack: Stack) -> None:
    stack.objects = {"widget": widget(namespace, "w", size=3)}
    stack.up()
    kube.apply(plane.client, widget(namespace, "w", size=9), manager="someone-else")
    assert stack.up() == {"widget": "same"}
    stack.refresh()
    assert stack.state()["widget"]["inputs"]["spec"] == {"size": 9}
    with pytest.raises(automation.CommandError, match="server-side apply field conflict detected"):
        stack.up()
    stack.objects = {"widget": widget(namespace, "w", {"pulumi.com/patchForce": "true"}, size=3)}
    assert stack.up() == {"widget": "update"}
    live = kube.get(plane.client, API, "Widget", "w", namespace)
    assert live is not None
    assert live["spec"]["size"] == 3


def test_secrets_are_nowhere_in_clear(plane: Plane, namespace: str, stack: Stack) -> None:
    value = f"hush-{namespace}"

    def secret(options: pulumi.ResourceOptions) -> None:
        # Not the SDK's class, which asks for secret outputs itself.
        inputs = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "s", "namespace": namespace},
            "stringData": {"token": pulumi.Output.secret(value)},
        }
        pulumi.CustomResource("kubernetes:core/v1:Secret", "secret", inputs, options)

    stack.more = secret
    stack.up()
    live = kube.get(plane.client, "v1", "Secret", "s", namespace)
    assert live is not None
    kept = stack.checkpoint()
    assert f"{namespace}/s" in kept
    assert value not in kept
    assert live["data"]["token"] not in kept
    assert stack.up() == {"secret": "same"}
    logs = plane.directory.logs / "plugin-kubernetes.log"
    assert value not in logs.read_text(encoding="utf-8")
