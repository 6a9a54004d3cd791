"""drift on a running environment: what a person did is found, what controllers do by design is not; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cluster as kube
from tests.rehearsal.end_to_end.command import Done, Rehearsal, serving, wait_until

NAMESPACE, MODEL = "llm-serving", "qwen2-5-3b"
GKE, ENGINE, PERSON = "networking.gke.io/v1", "pulumi-kubernetes", "kubectl-edit"
PATH = "spec.default.config.httpHealthCheck.requestPath"


def drift(dev: Rehearsal) -> Done:
    return serving("drift", str(dev.file), "--format", "json")


def findings(done: Done, verdict: str = "fail") -> list[dict[str, Any]]:
    """The findings of all checks with a verdict."""
    return [item for check in done.document["checks"] for item in check["results"] if item["verdict"] == verdict]


def patch(dev: Rehearsal, api: str, kind: str, name: str, body: dict[str, Any], manager: str) -> None:
    """A merge patch, as `kubectl edit` and controllers send it."""
    client = dev.client
    client.request(
        "patch",
        kube.path_of(client, api, kind, NAMESPACE, name),
        body=body,
        content_type="application/merge-patch+json",
        field_manager=manager,
        serialize=False,
    )


def health_path(value: str) -> dict[str, Any]:
    return {"spec": {"default": {"config": {"httpHealthCheck": {"requestPath": value}}}}}


@contextmanager
def without(dev: Rehearsal, kind: str, name: str) -> Iterator[None]:
    """An object deleted, and made again as the engine makes it."""
    live = kube.get(dev.client, GKE, kind, name, NAMESPACE)
    assert live is not None
    kube.delete(dev.client, GKE, kind, name, NAMESPACE)
    try:
        wait_until(lambda: kube.get(dev.client, GKE, kind, name, NAMESPACE) is None, lambda: True, lambda: name)
        yield
    finally:
        kept = {key: live["metadata"][key] for key in ("name", "namespace", "labels")}
        body = {"apiVersion": GKE, "kind": kind, "metadata": kept, "spec": live["spec"]}
        client = dev.client
        path = kube.path_of(client, GKE, kind, NAMESPACE)
        client.request("post", path, body=body, field_manager=ENGINE, serialize=False)


def test_an_environment_just_built_has_no_drift(dev: Rehearsal) -> None:
    done = drift(dev)
    assert findings(done) == findings(done, "unknown") == []
    assert (done.code, done.document["verdict"]) == (0, "no drift")
    [charts] = [check for check in done.document["checks"] if check["check"] == "chart-objects"]
    assert len(charts["results"]) > 40


def test_what_people_changed_is_found_and_an_up_leaves_it_as_drift_said(dev: Rehearsal) -> None:
    gateway = dev.up["outputs"]["gateway"]["name"]
    gateway_api = "gateway.networking.k8s.io/v1"
    by_gke = {"metadata": {"annotations": {"networking.gke.io/backend-services": "/projects/1/x"}}}
    by_stranger = {"metadata": {"labels": {"team": "search"}}}
    with without(dev, "GCPBackendPolicy", f"{MODEL}-service"):
        patch(dev, GKE, "HealthCheckPolicy", f"{MODEL}-pool", health_path("/"), PERSON)
        patch(dev, gateway_api, "Gateway", gateway, by_gke, "GoogleGKEGatewayController")
        patch(dev, gateway_api, "Gateway", gateway, by_stranger, "some-operator")
        try:
            found = drift(dev)
            same = dev.rehearse("--preview").succeeded()["summary"]
            again = drift(dev)
        finally:
            patch(dev, GKE, "HealthCheckPolicy", f"{MODEL}-pool", health_path("/health"), ENGINE)
            undone = {"annotations": {"networking.gke.io/backend-services": None}, "labels": {"team": None}}
            patch(dev, gateway_api, "Gateway", gateway, {"metadata": undone}, ENGINE)
    assert found.code == again.code == 1
    seen = {(f["failure"], f["object"], f["field"]): f for f in findings(found)}
    changed = ("field-changed", f"HealthCheckPolicy {NAMESPACE}/{MODEL}-pool", PATH)
    missing = ("object-missing", f"GCPBackendPolicy {NAMESPACE}/{MODEL}-service", None)
    added = ("field-added", f"Gateway {NAMESPACE}/{gateway}", "metadata.labels.team")
    assert set(seen) == {changed, missing, added}
    assert (seen[changed]["wanted"], seen[changed]["found"]) == ("/health", "/")
    assert {key: seen[key]["nextUpWithRefresh"] for key in seen} == {
        changed: "revert",
        missing: "create",
        added: "nothing",
    }
    assert (seen[changed]["lastWriter"]["manager"], seen[added]["lastWriter"]["manager"]) == (PERSON, "some-operator")
    assert "GoogleGKEGatewayController" in {
        item["lastWriter"]["manager"] for item in findings(found, "pass") if item.get("lastWriter")
    }
    # drift says that a plain `up` does nothing about any of them: the engine says so too.
    assert {f["nextUp"] for f in seen.values()} == {"nothing"}
    assert same == {"same": len(dev.state()["resources"])}
    assert findings(again) == findings(found)
    assert findings(drift(dev)) == []


def test_a_scaled_deployment_of_kserve_is_kserves_business(dev: Rehearsal) -> None:
    name = f"{MODEL}-kserve"
    patch(dev, "apps/v1", "Deployment", name, {"spec": {"replicas": 2}}, "kubectl")
    assert findings(drift(dev)) == []

    def put_back() -> bool:
        live = kube.get(dev.client, "apps/v1", "Deployment", name, NAMESPACE)
        return live is not None and live["spec"]["replicas"] == 1

    wait_until(put_back, lambda: True, lambda: f"{name} keeps its replicas")
