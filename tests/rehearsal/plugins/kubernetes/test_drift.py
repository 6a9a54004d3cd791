"""What `serving drift` says that an `up` will do is what the real engine does, on a real API server."""

from __future__ import annotations

from typing import Any

import pytest
from pulumi import automation

import cluster as kube
from serving.drift.findings import Action, Finding
from serving.drift.judge import judge, policy_of
from tests.rehearsal.plugins.kubernetes.conftest import Plane, Stack
from tests.rehearsal.plugins.kubernetes.widgets import API, widget

Json = dict[str, Any]
PERSON, FORCE = "kubectl-edit", {"pulumi.com/patchForce": "true"}
# What the engine calls it.
STEPS = {
    Action.NOTHING: "same",
    Action.DEPENDS: "same",
    Action.REVERT: "update",
    Action.REPLACE: "create-replacement",
    Action.CREATE: "create",
}


def patch(plane: Plane, obj: Json, body: Json, manager: str) -> None:
    metadata = obj["metadata"]
    path = kube.path_of(plane.client, obj["apiVersion"], obj["kind"], metadata["namespace"], metadata["name"])
    kind = "application/merge-patch+json"
    plane.client.request("patch", path, body=body, content_type=kind, field_manager=manager, serialize=False)


def said(plane: Plane, obj: Json) -> Finding:
    """The one finding of an object."""
    metadata = obj["metadata"]
    live = kube.get(plane.client, obj["apiVersion"], obj["kind"], metadata["name"], metadata["namespace"])
    assert live is not None
    [finding] = judge("it", obj, live, policy_of(obj, ignore=(), provider_force=False))
    assert isinstance(finding, Finding)
    return finding


def test_what_drift_says_is_what_up_does_without_and_with_a_refresh(plane: Plane, namespace: str, stack: Stack) -> None:
    labelled = widget(namespace, "added", size=3)
    data = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "data", "namespace": namespace},
        "data": {"a": "1"},
    }
    stack.objects = {
        "left": widget(namespace, "left", size=3),
        "removed": widget(namespace, "removed", size=3),
        "taken": widget(namespace, "taken", size=3),
        "forced": widget(namespace, "forced", dict(FORCE), size=3),
        "added": labelled,
        "data": data,
        "gone": widget(namespace, "gone", size=3),
    }
    stack.up()
    kube.delete(plane.client, API, "Widget", "gone", namespace)
    patch(plane, stack.objects["removed"], {"spec": {"size": None}}, PERSON)
    patch(plane, stack.objects["taken"], {"spec": {"size": 9}}, "kubectl")
    patch(plane, stack.objects["forced"], {"spec": {"size": 9}}, PERSON)
    patch(plane, labelled, {"metadata": {"labels": {"team": "x"}}}, PERSON)
    patch(plane, data, {"data": {"a": "2"}}, PERSON)
    found = {name: said(plane, stack.objects[name]) for name in stack.objects if name not in ("left", "gone")}
    assert {name: finding.refreshed for name, finding in found.items()} == {
        "removed": Action.REVERT,
        "taken": Action.REVERT,
        "forced": Action.REVERT,
        "added": Action.NOTHING,
        "data": Action.REPLACE,
    }
    # As drift says of every missing object.
    missing = {"next_up": Action.NOTHING, "refreshed": Action.CREATE}
    others = {"left": "same", "gone": STEPS[missing["next_up"]]}
    assert stack.up() == others | {name: STEPS[finding.next_up] for name, finding in found.items()}
    assert {name: said(plane, stack.objects[name]) for name in found} == found
    stack.refresh()
    others["gone"] = STEPS[missing["refreshed"]]
    assert stack.up() == others | {name: STEPS[finding.refreshed] for name, finding in found.items()}


def test_a_conflict_comes_with_a_refresh_or_with_another_change_of_the_object(
    plane: Plane, namespace: str, stack: Stack
) -> None:
    obj = widget(namespace, "w", size=3)
    stack.objects = {"w": obj}
    stack.up()
    patch(plane, obj, {"spec": {"size": 9}}, PERSON)
    finding = said(plane, obj)
    assert (finding.next_up, finding.refreshed) == (Action.NOTHING, Action.CONFLICT)
    changed = widget(namespace, "w", size=3)
    changed["metadata"]["labels"] = {"new": "label"}
    stack.objects = {"w": changed}
    with pytest.raises(automation.CommandError, match="field conflict detected"):
        stack.up()
    stack.objects = {"w": obj}
    stack.refresh()
    with pytest.raises(automation.CommandError, match="field conflict detected"):
        stack.up()
    # What the runbook says to do about it; and a failed run as the last one would leave the SDK's coroutine behind.
    stack.objects = {"w": widget(namespace, "w", dict(FORCE), size=3)}
    assert stack.up() == {"w": "update"}
