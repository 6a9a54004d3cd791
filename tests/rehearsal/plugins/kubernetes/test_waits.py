"""Built-in waits, against the real controllers; a pod gets its status from the test, as there is no kubelet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import cluster as kube
from rehearsal.plugins.frame import PartialFailureError
from rehearsal.plugins.kubernetes.objects import Objects
from tests.rehearsal.plugins.kubernetes.conftest import Plane
from tests.rehearsal.plugins.kubernetes.widgets import resource

Json = dict[str, Any]
TEMPLATE: Json = {
    "metadata": {"labels": {"app": "a"}},
    "spec": {"containers": [{"name": "main", "image": "example.com/none"}]},
}
SPEC: Json = {"selector": {"matchLabels": {"app": "a"}}, "template": TEMPLATE}


def obj(api_version: str, kind: str, namespace: str, **content: Any) -> Json:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "namespace": namespace}, **content}


def create(objects: Objects, inputs: Json, timeout: float = 60) -> Json:
    return objects.create(resource(inputs["apiVersion"], inputs["kind"]), inputs, timeout, preview=False)[1]


@pytest.mark.parametrize(
    ("api_version", "kind", "content"),
    [
        ("apps/v1", "Deployment", {"spec": {**SPEC, "replicas": 0}}),
        ("apps/v1", "StatefulSet", {"spec": {**SPEC, "replicas": 0, "serviceName": "x"}}),
        ("apps/v1", "DaemonSet", {"spec": SPEC}),
        ("v1", "Service", {"spec": {"selector": {"app": "none"}, "ports": [{"port": 8000}]}}),
        ("v1", "ResourceQuota", {"spec": {"hard": {"pods": "2", "requests.cpu": "1000m"}}}),
        ("v1", "ServiceAccount", {}),
        ("v1", "ConfigMap", {"data": {}}),
    ],
)
def test_what_the_controllers_can_finish_is_awaited(
    objects: Objects, namespace: str, api_version: str, kind: str, content: Json
) -> None:
    state = create(objects, obj(api_version, kind, namespace, **content))
    generation = state["metadata"].get("generation")
    assert state.get("status", {}).get("observedGeneration", generation) == generation


@pytest.mark.parametrize(
    ("api_version", "kind", "content", "reason"),
    [
        ("apps/v1", "Deployment", {"spec": SPEC}, "[Pod "),
        ("apps/v1", "StatefulSet", {"spec": {**SPEC, "serviceName": "x"}}, "0 out of 1 replicas succeeded readiness"),
        ("batch/v1", "Job", {"spec": {"template": {"spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}}}, "[Pod "),
        ("v1", "Pod", {"spec": TEMPLATE["spec"]}, "no nodes available"),
        ("v1", "Service", {"spec": {"type": "LoadBalancer", "ports": [{"port": 8000}]}}, "not allocated an IP address"),
        (
            "v1",
            "PersistentVolumeClaim",
            {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}},
            "PersistentVolumeClaim is Pending",
        ),
    ],
)
def test_what_stays_unready_fails_with_the_reason(
    make: Callable[..., Objects], namespace: str, api_version: str, kind: str, content: Json, reason: str
) -> None:
    objects, inputs = make(), obj(api_version, kind, namespace, **content)
    with pytest.raises(PartialFailureError) as failure:
        create(objects, inputs, timeout=5)
    if reason not in "\n".join(failure.value.reasons):  # the controllers of a busy machine may need longer
        with pytest.raises(PartialFailureError) as failure:
            create(make(upsert=True), inputs, timeout=60)
    assert "'x' timed out waiting to be Ready" in failure.value.reasons[0]
    assert reason in "\n".join(failure.value.reasons)
    assert failure.value.resource_id == f"{namespace}/x"
    skipped = {
        **inputs,
        "metadata": {"name": "y", "namespace": namespace, "annotations": {"pulumi.com/skipAwait": "true"}},
    }
    assert create(objects, skipped, timeout=1)["metadata"]["name"] == "y"


def test_a_deployment_is_ready_with_its_pods(objects: Objects, plane: Plane, namespace: str) -> None:
    inputs = obj("apps/v1", "Deployment", namespace, spec={**SPEC, "replicas": 2})
    finish = threading.Thread(target=_make_pods_ready, args=(plane, namespace, 2))
    finish.start()
    state = create(objects, inputs)
    finish.join()
    assert state["status"]["readyReplicas"] == 2
    token = resource("apps/v1", "Deployment")
    found = objects.read(token, f"{namespace}/x", inputs, state)
    assert found is not None
    assert found.inputs == inputs
    _set_ready(plane, namespace, "False")
    _await(lambda: "readyReplicas" not in _get(plane, "apps/v1", "Deployment", namespace)["status"])
    with pytest.raises(PartialFailureError, match="Resource 'x' was created but failed to initialize"):
        objects.read(token, f"{namespace}/x", inputs, state)


def test_a_job_that_failed_is_not_waited_for(objects: Objects, plane: Plane, namespace: str) -> None:
    pods = {"template": {"spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}, "backoffLimit": 0}
    fail = threading.Thread(target=_fail_pod, args=(plane, namespace))
    fail.start()
    with pytest.raises(PartialFailureError, match="Resource 'x' was created but failed to initialize") as failure:
        create(objects, obj("batch/v1", "Job", namespace, spec=pods), timeout=600)
    fail.join()
    assert "[BackoffLimitExceeded]" in failure.value.reasons[1]


def _get(plane: Plane, api_version: str, kind: str, namespace: str) -> Json:
    found = kube.get(plane.client, api_version, kind, "x", namespace)
    assert found is not None
    return found


def _pods(plane: Plane, namespace: str) -> list[Json]:
    return kube.list_objects(plane.client, "v1", "Pod", namespace)


def _make_pods_ready(plane: Plane, namespace: str, count: int) -> None:
    _await(lambda: len(_pods(plane, namespace)) == count)
    _set_ready(plane, namespace, "True")


def _set_ready(plane: Plane, namespace: str, status: str) -> None:
    for pod in _pods(plane, namespace):
        conditions = [{"type": kind, "status": status} for kind in ("PodScheduled", "Initialized", "Ready")]
        kube.patch_status(plane.client, pod, {"conditions": conditions}, manager="test")


def _fail_pod(plane: Plane, namespace: str) -> None:
    _await(lambda: _pods(plane, namespace))
    for pod in _pods(plane, namespace):
        kube.patch_status(plane.client, pod, {"phase": "Failed"}, manager="test")


def _await(condition: Any) -> None:
    while not condition():
        time.sleep(0.1)
