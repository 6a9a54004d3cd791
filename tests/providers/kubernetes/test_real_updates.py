"""What drift says that an `up` does, without and with a refresh, is what the real provider does, on a real API server.

The engine's part is small and played here: it asks for the difference, and where there is one it replaces or updates.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

import cluster as kube
from providers.kubernetes import managed_fields
from serving.drift.findings import Action, Drift
from serving.drift.object_drift import object_drift, policy_of
from tests.providers.kubernetes.real import RELEASE, Json, Provider, running, secret, urn_of
from tests.rehearsal.plane import Plane

PERSON, STRANGER = "kubectl-edit", "some-operator"


@pytest.fixture(scope="module")
def provider(program: Path, api_server: Plane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with running(program, tmp_path_factory.mktemp("provider"), api_server.directory.kubeconfig) as channel:
        yield Provider(channel)


def budget(name: str, annotations: dict[str, str] | None = None) -> Json:
    """An object with a field of its own that changes in place."""
    metadata: Json = {"name": name, "namespace": "default", "labels": {"app": "x"}}
    metadata |= {"annotations": annotations} if annotations else {}
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "x"}}}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec}


class Managed:
    """An object as the engine has it in its state."""

    def __init__(self, provider: Provider, plane: Plane, inputs: Json) -> None:
        self.provider, self.plane, self.inputs, self.urn = provider, plane, inputs, urn_of(inputs)
        self.name, self.state = provider.create(inputs)

    def patch(self, body: Json, manager: str, operation: str = "Update") -> None:
        """A change that somebody else makes."""
        metadata = self.inputs["metadata"]
        identity = {key: metadata[key] for key in ("name", "namespace")}
        path = kube.path_of(self.plane.client, self.inputs["apiVersion"], self.inputs["kind"], **_place(identity))
        if operation == "Apply":
            whole = {"apiVersion": self.inputs["apiVersion"], "kind": self.inputs["kind"], "metadata": identity, **body}
            kube.apply(self.plane.client, whole, manager=manager)
        else:
            self.plane.client.request(
                "patch",
                path,
                body=body,
                content_type="application/merge-patch+json",
                field_manager=manager,
                serialize=False,
            )

    def said(self, inputs: Json | None = None) -> list[Drift]:
        """What drift finds."""
        planned, metadata = inputs or self.inputs, self.inputs["metadata"]
        live = kube.get(
            self.plane.client, planned["apiVersion"], planned["kind"], metadata["name"], metadata["namespace"]
        )
        assert live is not None
        return list(object_drift("it", planned, live, policy_of(planned, provider_force=False)))

    def refresh(self) -> bool:
        """Take over what is there; False where it is gone."""
        found, state = self.provider.read(self.urn, self.name, self.state, self.inputs)
        self.state = state
        return bool(found)

    def up(self, inputs: Json | None = None) -> Action:
        """What the engine does with these inputs."""
        wanted = inputs or self.inputs
        changes = self.provider.diff(self.urn, self.name, self.state, wanted)
        if not changes:
            return Action.NOTHING
        if any("replace" in change for change in changes.values()):
            return Action.REPLACE
        try:
            self.state = self.provider.update(self.urn, self.name, self.state, wanted)
        except grpc.RpcError as error:
            if "field conflict" not in str(error):
                raise
            return Action.CONFLICT
        return Action.REVERT


def _place(identity: Json) -> dict[str, str]:
    return {"namespace": identity["namespace"], "name": identity["name"]}


# What leaves an object alone where its inputs are the same.
SAME = (Action.NOTHING, Action.DEPENDS)
SIZE = {"spec": {"maxUnavailable": 9}}
DATA: Json = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "data", "namespace": "default"},
    "data": {"a": "1"},
}
# Object, what somebody changes, as which manager.
CHANGES: list[tuple[Json, Json, str]] = [
    (budget("edited"), SIZE, PERSON),
    (budget("removed"), {"spec": {"maxUnavailable": None}}, PERSON),
    (budget("taken"), SIZE, STRANGER),
    (budget("forced", {managed_fields.PATCH_FORCE: "true"}), SIZE, STRANGER),
    (budget("labelled"), {"metadata": {"labels": {"team": "x"}}}, PERSON),
    (DATA, {"data": {"a": "2"}}, PERSON),
]


@pytest.mark.parametrize(("obj", "change", "manager"), CHANGES)
def test_what_drift_says_is_what_up_does_without_and_with_a_refresh(
    provider: Provider, api_server: Plane, obj: Json, change: Json, manager: str
) -> None:
    managed = Managed(provider, api_server, obj)
    assert managed.said() == []
    managed.patch(change, manager)
    [finding] = managed.said()
    assert finding.next_up in SAME
    assert managed.up() is Action.NOTHING
    assert managed.said() == [finding]
    assert managed.refresh()
    assert managed.up() is finding.refreshed


def test_an_object_that_is_gone_is_made_again_by_a_refresh_only(provider: Provider, api_server: Plane) -> None:
    managed = Managed(provider, api_server, budget("gone"))
    kube.delete(api_server.client, "policy/v1", "PodDisruptionBudget", "gone", "default")
    assert managed.up() is Action.NOTHING
    assert not managed.refresh()


def test_a_conflict_comes_without_a_refresh_where_another_field_of_the_object_changes(
    provider: Provider, api_server: Plane
) -> None:
    managed = Managed(provider, api_server, budget("both"))
    managed.patch(SIZE, STRANGER)
    wanted = copy.deepcopy(managed.inputs)
    wanted["metadata"]["labels"]["app"] = "y"
    assert {finding.next_up for finding in managed.said(wanted)} == {Action.REVERT, Action.CONFLICT}
    assert managed.up(wanted) is Action.CONFLICT


@pytest.mark.parametrize("operation", ["Update", "Apply"])
@pytest.mark.parametrize("manager", ["kubectl", "kubectl-patch", "before-first-apply", "helm", "Lens", "my-kubectl"])
def test_whose_fields_an_update_takes_over_and_whose_it_conflicts_with(
    provider: Provider, api_server: Plane, manager: str, operation: str
) -> None:
    managed = Managed(provider, api_server, budget(f"{manager}-{operation}".lower()))
    managed.patch(SIZE, manager, operation)
    [finding] = managed.said()
    managed.refresh()
    assert managed.up() is finding.refreshed


def test_a_release_that_is_gone_is_made_again_by_a_refresh_only(provider: Provider) -> None:
    own = {"name": "gone", "namespace": "default", "chart": "x", "version": "1.0.0", "values": {"a": 1}}
    state = {**own, "__inputs": secret(own), "status": {"name": "gone", "namespace": "default", "revision": 1}}
    assert provider.diff(RELEASE, "default/gone", state, own) == {}
    assert provider.read(RELEASE, "default/gone", state, own)[0] == ""
