"""drift on a running environment: what a person did is found, what controllers do by design is not; nothing is changed."""

from __future__ import annotations

from typing import Any

import cluster as kube
from tests.rehearsal.end_to_end.command import Done, Rehearsal, serving, wait_until

NAMESPACE, MODEL = "llm-serving", "qwen2-5-3b"
GKE, GATEWAY_API, ENGINE, PERSON = (
    "networking.gke.io/v1", "gateway.networking.k8s.io/v1", "pulumi-kubernetes", "kubectl-edit",
)  # fmt: skip


def drift(dev: Rehearsal) -> Done:
    return serving("drift", str(dev.file), "--format", "json")


def findings(done: Done, verdict: str = "fail") -> list[dict[str, Any]]:
    """The findings of all checks with a verdict."""
    return [item for check in done.document["checks"] for item in check["results"] if item["verdict"] == verdict]


def patch(dev: Rehearsal, api: str, kind: str, name: str, body: dict[str, Any], manager: str) -> None:
    """A merge patch, as `kubectl edit` and controllers send it."""
    client = dev.client
    path = kube.path_of(client, api, kind, NAMESPACE, name)
    merge = {"content_type": "application/merge-patch+json", "field_manager": manager}
    client.request("patch", path, body=body, serialize=False, **merge)


def set_health_path(dev: Rehearsal, value: str, manager: str) -> None:
    body = {"spec": {"default": {"config": {"httpHealthCheck": {"requestPath": value}}}}}
    patch(dev, GKE, "HealthCheckPolicy", f"{MODEL}-pool", body, manager)


def test_an_environment_just_built_has_no_drift_and_what_kserve_scales_back_is_its_own_business(dev: Rehearsal) -> None:
    done = drift(dev)
    assert findings(done) == findings(done, "unknown") == []
    assert (done.code, done.document["verdict"]) == (0, "no drift")
    [charts] = [check for check in done.document["checks"] if check["check"] == "chart-objects"]
    assert len(charts["results"]) > 40
    name = f"{MODEL}-kserve"
    patch(dev, "apps/v1", "Deployment", name, {"spec": {"replicas": 2}}, "kubectl")
    assert findings(drift(dev)) == []

    def put_back() -> bool:
        live = kube.get(dev.client, "apps/v1", "Deployment", name, NAMESPACE)
        return live is not None and live["spec"]["replicas"] == 1

    wait_until(put_back, lambda: True, lambda: f"{name} keeps its replicas")


def test_what_people_changed_is_found_and_an_up_leaves_it_as_drift_said(dev: Rehearsal) -> None:
    gateway = dev.up["outputs"]["gateway"]["name"]
    by_gke = {"metadata": {"annotations": {"networking.gke.io/backend-services": "/projects/1/x"}}}
    set_health_path(dev, "/", PERSON)
    patch(dev, GATEWAY_API, "Gateway", gateway, by_gke, "GoogleGKEGatewayController")
    try:
        found = drift(dev)
        same = dev.rehearse("--preview").succeeded()["summary"]
    finally:
        set_health_path(dev, "/health", ENGINE)
        undone = {"metadata": {"annotations": {"networking.gke.io/backend-services": None}}}
        patch(dev, GATEWAY_API, "Gateway", gateway, undone, ENGINE)
    assert found.code == 1
    [seen] = findings(found)
    assert (seen["failure"], seen["object"], seen["field"]) == (
        "field-changed",
        f"HealthCheckPolicy {NAMESPACE}/{MODEL}-pool",
        "spec.default.config.httpHealthCheck.requestPath",
    )
    assert (seen["wanted"], seen["found"], seen["lastWriter"]["manager"]) == ("/health", "/", PERSON)
    by_design = {item["lastWriter"]["manager"] for item in findings(found, "pass") if item.get("lastWriter")}
    assert "GoogleGKEGatewayController" in by_design
    # drift says that a plain `up` does nothing about it, and one with a refresh reverts it: the engine says the former too.
    assert (seen["nextUp"], seen["nextUpWithRefresh"]) == ("nothing", "revert")
    assert same == {"same": len(dev.state()["resources"])}
    assert findings(drift(dev)) == []
