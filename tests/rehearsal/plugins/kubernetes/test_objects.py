"""Objects against a real API server, without the engine in between."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

import cluster as kube
from rehearsal.plugins.frame import UNKNOWN, Engine, PartialFailureError, ProviderError, Resource
from rehearsal.plugins.kubernetes import kubeconfig
from rehearsal.plugins.kubernetes.api import Api
from rehearsal.plugins.kubernetes.objects import Objects, Options
from tests.rehearsal.plugins.kubernetes.conftest import Plane
from tests.rehearsal.plugins.kubernetes.widgets import API, resource, widget

Json = dict[str, Any]
WIDGET = Resource("urn:pulumi:s::p::kubernetes:test.example.com/v1:Widget::w", f"kubernetes:{API}:Widget", "w")
NAMESPACE = Resource("urn:pulumi:s::p::kubernetes:core/v1:NamespacePatch::n", "kubernetes:core/v1:NamespacePatch", "n")


def test_an_object_that_exists_is_not_taken_over(make: Callable[..., Objects], plane: Plane, namespace: str) -> None:
    kube.apply(plane.client, widget(namespace, "w", size=1), manager="someone")
    with pytest.raises(ProviderError, match=r'"w" already exists\n\nThe resource already exists in the cluster'):
        make().create(WIDGET, widget(namespace, "w", size=2), 0, preview=False)
    # A preview can't know that the object will not have gone by then.
    assert make().create(WIDGET, widget(namespace, "w", size=2), 0, preview=True)[1]["spec"] == {"size": 2}
    _, state = make(upsert=True).create(WIDGET, widget(namespace, "w", size=1), 0, preview=False)
    assert {m["manager"] for m in state["metadata"]["managedFields"]} == {"someone", state["__fieldManager"]}


def test_a_field_of_somebody_else_is_a_conflict(objects: Objects, plane: Plane, namespace: str) -> None:
    _, state = objects.create(WIDGET, widget(namespace, "w", size=1), 0, preview=False)
    kube.apply(plane.client, widget(namespace, "w", size=5), manager="someone")
    with pytest.raises(PartialFailureError) as failure:
        objects.update(WIDGET, state, widget(namespace, "w", size=2), 0, preview=False)
    manager = state["__fieldManager"]
    assert "server-side apply field conflict detected" in str(failure.value)
    assert f'The resource managed by field manager "{manager}" had an apply conflict' in str(failure.value)
    assert failure.value.state["spec"]["size"] == 5
    forced = objects.update(
        WIDGET, state, widget(namespace, "w", {"pulumi.com/patchForce": "true"}, size=2), 0, preview=False
    )
    assert forced["spec"]["size"] == 2


def test_the_first_update_takes_over_what_the_create_wrote(objects: Objects, namespace: str) -> None:
    _, state = objects.create(WIDGET, widget(namespace, "w", size=1, colour="red"), 0, preview=False)
    assert [(m["manager"], m["operation"]) for m in state["metadata"]["managedFields"]] == [
        ("pulumi-kubernetes", "Update")
    ]
    # A field that the inputs no longer name goes: the server gives it its default again.
    now = objects.update(WIDGET, state, widget(namespace, "w", size=1), 0, preview=False)
    assert now["spec"] == {"size": 1, "colour": "grey"}
    assert [(m["manager"], m["operation"]) for m in now["metadata"]["managedFields"]] == [
        (state["__fieldManager"], "Apply")
    ]


def test_previews_write_nothing_and_ask_the_server(objects: Objects, plane: Plane, namespace: str) -> None:
    new_id, preview = objects.create(WIDGET, widget(namespace, "w", size=1), 0, preview=True)
    assert new_id == ""
    assert preview["spec"] == {"size": 1, "colour": "grey"}
    assert "status" not in preview
    with pytest.raises(ProviderError, match="should be less than or equal to 10"):
        objects.create(WIDGET, widget(namespace, "w", size=11), 0, preview=True)
    assert kube.get(plane.client, API, "Widget", "w", namespace) is None
    _, state = objects.create(WIDGET, widget(namespace, "w", size=1), 0, preview=False)
    assert objects.update(WIDGET, state, widget(namespace, "w", size=2), 0, preview=True)["spec"]["size"] == 2
    live = kube.get(plane.client, API, "Widget", "w", namespace)
    assert live is not None
    assert live["spec"]["size"] == 1


@pytest.mark.parametrize(
    "unknowable",
    [
        widget("not-there-yet", "w", size=1),
        widget("default", "w", size=UNKNOWN),
        {"apiVersion": "none.example.com/v1", "kind": "None", "metadata": {"name": "n", "namespace": "x"}},
    ],
)
def test_a_preview_that_the_server_can_not_answer_is_the_inputs(objects: Objects, unknowable: Json) -> None:
    token = resource(unknowable["apiVersion"], unknowable["kind"])
    assert objects.create(token, unknowable, 0, preview=True) == ("", unknowable)


def test_an_unknown_field_is_refused(objects: Objects, namespace: str) -> None:
    with pytest.raises(ProviderError, match=r'unknown field "spec\.wrong"'):
        objects.create(WIDGET, widget(namespace, "w", wrong=1), 0, preview=False)


def test_a_patch_owns_its_fields_and_gives_them_back(objects: Objects, plane: Plane, namespace: str) -> None:
    obj = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": namespace, "labels": {"team": "a"}},
    }
    patch_id, state = objects.create(NAMESPACE, obj, 0, preview=False)
    assert patch_id == namespace
    live = kube.get(plane.client, "v1", "Namespace", namespace)
    assert live is not None
    assert live["metadata"]["labels"]["team"] == "a"
    objects.delete(NAMESPACE, patch_id, obj, state, 0)
    live = kube.get(plane.client, "v1", "Namespace", namespace)
    assert live is not None
    assert "team" not in live["metadata"]["labels"]
    nameless = {"apiVersion": "v1", "kind": "Namespace", "metadata": {}}
    with pytest.raises(ProviderError, match=r"patch resources require the `\.metadata\.name` field"):
        objects.check(NAMESPACE, {}, nameless, b"")


def test_an_import_finds_what_this_provider_wrote(objects: Objects, plane: Plane, namespace: str) -> None:
    inputs = widget(namespace, "w", {"a/b": "c"}, size=1)
    made, state = objects.create(WIDGET, inputs, 0, preview=False)
    kube.apply(plane.client, {**widget(namespace, "w", {"x": "y"})}, manager="someone")
    found = objects.read(WIDGET, made, {}, {})
    assert found is not None
    assert found.inputs["metadata"] == inputs["metadata"]
    assert found.state["metadata"]["annotations"] == {"a/b": "c", "x": "y"}
    updated = objects.update(WIDGET, state, inputs, 0, preview=False)
    found = objects.read(WIDGET, made, {}, {})
    assert found is not None
    assert found.inputs == inputs
    assert objects.diff(WIDGET, found.inputs, found.state, inputs, []).detailed == {}
    objects.delete(WIDGET, made, inputs, updated, 0)
    assert objects.read(WIDGET, made, inputs, updated) is None


def test_deleting_what_is_gone_is_no_error(objects: Objects, namespace: str) -> None:
    inputs = widget(namespace, "w", size=1)
    objects.delete(WIDGET, f"{namespace}/w", inputs, inputs, 0)
    kindless = {**inputs, "apiVersion": "none.example.com/v1"}
    objects.delete(WIDGET, f"{namespace}/w", kindless, kindless, 0)


def test_cancelling_ends_a_wait_and_keeps_the_object(make: Callable[..., Objects], namespace: str) -> None:
    cancelled = threading.Event()
    cancelled.set()
    waits = widget(namespace, "w", {"pulumi.com/waitFor": "condition=Ready"}, size=1)
    with pytest.raises(PartialFailureError, match='Resource operation was cancelled for "w"') as failure:
        make(cancelled).create(WIDGET, waits, 0, preview=False)
    assert failure.value.resource_id == f"{namespace}/w"
    bad = widget(namespace, "v", {"pulumi.com/waitFor": "Ready"}, size=1)
    with pytest.raises(PartialFailureError, match='expected a "jsonpath=" or "condition=" prefix'):
        make().create(WIDGET, bad, 0, preview=False)


def test_names_and_namespaces_are_filled_in(objects: Objects) -> None:
    inputs, _ = objects.check(WIDGET, {}, {"spec": {}}, b"seed")
    metadata = inputs["metadata"]
    assert metadata["name"].startswith("w-")
    assert metadata["namespace"] == "default"
    assert metadata["annotations"] == {"pulumi.com/autonamed": "true"}
    again, _ = objects.check(WIDGET, inputs, {"spec": {}}, b"other")
    assert again["metadata"]["name"] == metadata["name"]
    cluster_wide, _ = objects.check(resource("core/v1", "Namespace"), {}, {"metadata": {"name": "n"}}, b"")
    assert "namespace" not in cluster_wide["metadata"]
    unknown, _ = objects.check(WIDGET, {}, {"metadata": UNKNOWN}, b"")
    assert unknown["metadata"] is UNKNOWN


def test_a_server_that_does_not_answer_is_named() -> None:
    nowhere = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"token": "hush"}}],
    }
    context = kubeconfig.active(nowhere)
    assert context is not None
    objects = Objects(Api(context, "default", threading.Event()), Options(), Engine(), threading.Event())
    inputs = widget("default", "w", size=1)
    assert objects.create(WIDGET, inputs, 0, preview=True) == ("", inputs)
    with pytest.raises(ProviderError) as failure:
        objects.create(WIDGET, inputs, 0, preview=False)
    assert str(failure.value).startswith("configured Kubernetes cluster is unreachable: GET https://127.0.0.1:1/")
    assert "hush" not in str(failure.value)
