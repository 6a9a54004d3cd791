"""Replicas that follow the load: numbers, lost metrics, a scaler that is gone, and another owner of the metrics."""

from __future__ import annotations

from collections.abc import Callable

from serving.checking.findings import Finding, Verdict
from serving.live.servers import belongs
from tests.serving.verify.conftest import Scene, outcome
from tests.serving.verify.deployed import Obj


def _scene(make: Callable[..., Scene], *, owner: str = "keda-operator-metrics-apiserver") -> tuple[Scene, Obj, Obj]:
    """prod with a model from 1 to 3 replicas, of which 2 run."""
    scene = make()
    [model] = scene.deployment.models
    outputs = scene.target().outputs
    scene.changes = {"models": [outputs.models[0].model_copy(update={"min_replicas": 1, "replicas": 3})]}
    name, where = f"{model.name}-replicas", scene.deployment.namespace
    conditions = [{"type": "Ready", "status": "True"}, {"type": "Active", "status": "True"}]
    scaler = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": name, "namespace": where},
        "status": {"hpaName": f"keda-hpa-{name}", "conditions": conditions},
    }
    hpa = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": f"keda-hpa-{name}", "namespace": where},
        "status": {"currentReplicas": 2, "desiredReplicas": 3, "conditions": []},
    }
    service = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": "v1beta1.external.metrics.k8s.io"},
        "spec": {"service": {"name": owner, "namespace": "keda"}},
    }
    scene.objects.extend([scaler, hpa, service])
    return scene, scaler, hpa


def _worst(scene: Scene) -> Finding:
    return outcome(scene.report(quick=True), "scaling").worst


def test_numbers_and_limits_are_said(make: Callable[..., Scene]) -> None:
    scene, _, _ = _scene(make)
    found = _worst(scene)
    assert (found.verdict, found.message) == (Verdict.PASS, "2 running, 3 wanted, between 1 and 3")


def test_lost_metrics_are_a_warning_with_the_controllers_words(make: Callable[..., Scene]) -> None:
    scene, scaler, hpa = _scene(make)
    hpa["status"]["conditions"] = [{"type": "ScalingActive", "status": "False", "reason": "FailedGetExternalMetric"}]
    assert _worst(scene).failure == "metrics-missing"
    hpa["status"]["conditions"] = []
    fallback = {"type": "Fallback", "status": "True", "reason": "FallbackExists", "message": "one trigger falls back"}
    scaler["status"]["conditions"].append(fallback)
    found = _worst(scene)
    assert (found.failure, found.verdict) == ("metrics-missing", Verdict.WARN)
    assert "one trigger falls back" in found.message and "2 running" in found.message


def test_a_scaler_that_is_not_ready_paused_or_gone_has_a_name(make: Callable[..., Scene]) -> None:
    scene, scaler, _ = _scene(make)
    scaler["status"]["conditions"].append({"type": "Paused", "status": "True"})
    assert _worst(scene).failure == "scaler-paused"
    scaler["status"]["conditions"][0] = {"type": "Ready", "status": "False", "message": "no such target"}
    assert _worst(scene).failure == "scaler-not-ready"
    scaler["metadata"]["name"] = "other"
    assert _worst(scene).failure == "scaler-missing"


def test_another_owner_of_the_external_metrics_fails(make: Callable[..., Scene]) -> None:
    scene, _, _ = _scene(make, owner="custom-metrics-stackdriver-adapter")
    found = _worst(scene)
    assert found.failure == "metrics-of-another"
    assert "custom-metrics-stackdriver-adapter" in found.message


def test_a_fixed_number_that_somebody_scales_is_a_warning(scene: Scene) -> None:
    assert _worst(scene).message == "a fixed number for every model"
    target = {"kind": "Deployment", "name": f"{scene.deployment.models[0].name}-kserve"}
    meta = {"name": "other", "namespace": scene.deployment.namespace}
    hpa = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": meta}
    scene.objects.append({**hpa, "spec": {"scaleTargetRef": target}})
    assert _worst(scene).failure == "scaler-unexpected"


def test_a_model_whose_schedule_has_no_servers_now_is_asked_nothing(make: Callable[..., Scene]) -> None:
    scene, _, hpa = _scene(make)
    [model] = scene.changes["models"]
    hpa["spec"] = {"scaleTargetRef": {"name": f"{model.name}-kserve"}}
    hpa["status"]["conditions"] = [{"type": "ScalingActive", "status": "False", "reason": "ScalingDisabled"}]
    scene.objects[:] = [item for item in scene.objects if item["kind"] != "Pod" or not belongs(item, model)]

    def found(check: str) -> Finding:
        return outcome(scene.report(), check).worst

    assert found("endpoints").failure == "no-ready-endpoint"
    scene.changes = {"models": [model.model_copy(update={"min_replicas": 0})]}
    assert found("endpoints").verdict is Verdict.PASS
    assert found("chat").failure == "scaled-to-zero"
