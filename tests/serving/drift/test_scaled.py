"""Scaled models: what KEDA and its autoscaler do by design is no drift; a changed ScaledObject is."""

from __future__ import annotations

import copy

import pytest

from checks.environment import require
from manifests.llm_inference_service import llm_inference_service
from manifests.scaling import metrics_access, scaled_object
from serving.drift.findings import Action, Kind
from serving.drift.object_drift import object_drift
from settings.derive import Deployment
from settings.document import Document
from tests.checks.cases import GOOD
from tests.serving.drift.objects import Obj, designed, drifts, edit, entry, healthy, policy

KEDA = "keda"


def scaled() -> Deployment:
    data = copy.deepcopy(GOOD)
    data["project"]["number"] = "123456789012"
    data["models"][0]["scaling"] = {"min": 1, "max": 4}
    return require(Document("t", "t.yaml", data))[0]


def written_by_keda(planned: Obj) -> Obj:
    """As a published object with its managed fields has it."""
    live = healthy(planned)
    live["metadata"]["finalizers"] = ["finalizer.keda.sh"]
    edit(live, ("metadata", "labels", "scaledobject.keda.sh/name"), planned["metadata"]["name"], manager=KEDA)
    own = entry(KEDA, {})
    own["fieldsV1"] = {"f:metadata": {"f:finalizers": {".": {}, 'v:"finalizer.keda.sh"': {}}}}
    live["metadata"]["managedFields"].append(own)
    return live


@pytest.fixture(scope="module")
def wanted() -> Obj:
    deployment = scaled()
    made = scaled_object(deployment, deployment.models[0])
    assert made is not None
    return made


def test_what_keda_writes_into_its_own_objects_is_by_design(wanted: Obj) -> None:
    access = metrics_access(scaled())
    assert access is not None
    for planned in (wanted, access.authentication):
        found = list(object_drift("it", planned, written_by_keda(planned), policy(planned)))
        assert drifts(found) == []
        assert {item.writer.manager for item in designed(found) if item.writer} == {KEDA}


@pytest.mark.parametrize(("path", "value"), [(("spec", "maxReplicaCount"), 40), (("spec", "minReplicaCount"), 0)])
def test_a_changed_scaled_object_is_drift(wanted: Obj, path: tuple[str, ...], value: int) -> None:
    live = written_by_keda(wanted)
    edit(live, path, value)
    [finding] = drifts(object_drift("it", wanted, live, policy(wanted)))
    assert (finding.failure, finding.path, finding.found) == (Kind.CHANGED, path, value)
    assert finding.refreshed is Action.REVERT


def test_paused_scaling_is_drift(wanted: Obj) -> None:
    live = written_by_keda(wanted)
    edit(live, ("metadata", "annotations", "autoscaling.keda.sh/paused-replicas"), "0")
    [finding] = drifts(object_drift("it", wanted, live, policy(wanted)))
    assert finding.failure is Kind.ADDED


def test_replicas_that_keda_moves_are_no_field_of_the_service() -> None:
    deployment = scaled()
    planned = llm_inference_service(deployment, deployment.models[0])
    assert "replicas" not in planned["spec"]
    live = healthy(planned)
    edit(live, ("spec", "replicas"), 3, manager="kube-controller-manager")
    assert drifts(object_drift("it", planned, live, policy(planned))) == []
    edit(live, ("spec", "replicas"), 7)
    [finding] = drifts(object_drift("it", planned, live, policy(planned)))
    assert (finding.failure, finding.found) == (Kind.ADDED, 7), "a person who scales by hand is named"
