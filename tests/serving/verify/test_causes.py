"""Of all that is wrong the verdict names the cause: statuses here are those that the emulator of GKE's controller writes."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

import pytest

from rehearsal.gke.gateway.objects import KINDS, POLICIES, Cloud, by_kind, key_of
from rehearsal.gke.gateway.status import changes
from serving.checking.findings import Report
from tests.serving.verify.conftest import Scene, outcome
from tests.serving.verify.deployed import find, refuse

NOW = "2026-11-27T12:00:00Z"
WRITTEN = ("Gateway", "HTTPRoute", "InferencePool", *POLICIES)


def without_backends(scene: Scene) -> None:
    """KServe has made neither pool nor Service of the model; others' are there, so that the kinds are served."""
    for kind, end in (("InferencePool", "-inference-pool"), ("Service", "-workload-svc")):
        gone = find(scene.objects, kind, end)
        scene.objects.remove(gone)
        scene.objects.append({**gone, "metadata": {"name": "other", "namespace": "elsewhere"}})


def other_route(scene: Scene, **backend: Any) -> None:
    """A route of another team at the Gateway."""
    own = find(scene.objects, "HTTPRoute")
    rules = [{"backendRefs": [{"port": 80, **backend}]}]
    other = {**own, "metadata": {**own["metadata"], "name": "other"}, "spec": {**own["spec"], "rules": rules}}
    scene.objects.append(other)


def report(scene: Scene) -> Report:
    """What verify says once GKE's controller has seen everything."""
    for item in scene.objects:
        if item["kind"] in WRITTEN:
            item["status"] = {}
            item["metadata"].setdefault("creationTimestamp", NOW)
    seen = by_kind(item for item in scene.objects if item["kind"] in KINDS)
    cloud = Cloud(proxy_only_subnet=True, range=ipaddress.IPv4Network("127.64.255.0/24"))
    for change in changes(seen, cloud, NOW):
        own = next(i for i in scene.objects if (i["kind"], key_of(i)) == (change.object["kind"], key_of(change.object)))
        own["status"] = change.status
    return scene.report(quick=True)


@pytest.fixture
def two_hosts(make: Callable[..., Scene]) -> Scene:
    """A model over two hosts whose LeaderWorkerSet KServe can't make."""
    scene = make(environment="examples/multi-host.yaml")
    without_backends(scene)
    service = find(scene.objects, "LLMInferenceService")
    words = 'no matches for kind "LeaderWorkerSet" in version "leaderworkerset.x-k8s.io/v1"'
    refuse(service, "Ready", "ReconcileMultiNodeWorkloadError", words)
    service["status"]["conditions"].append({"type": "WorkloadsReady", "status": "False", "message": words})
    return scene


def test_without_leader_worker_set_the_model_leads_and_not_what_waits_for_its_pool(two_hosts: Scene) -> None:
    found = report(two_hosts)
    assert found.line.startswith("does not serve: models-ready: lws-missing: ")
    assert {
        name: outcome(found, name).worst.failure for name in ("gateway-programmed", "routes", "policies-attached")
    } == {
        "gateway-programmed": "gateway-stopped",
        "routes": "route-without-backend",
        "policies-attached": "policy-without-target",
    }


def test_a_pool_that_nothing_explains_leads_before_what_waits_for_it(make: Callable[..., Scene]) -> None:
    scene = make(environment="dev")
    without_backends(scene)
    assert report(scene).line.startswith("does not serve: pools: pool-missing: ")


def test_a_route_that_is_refused_leads_though_its_pool_is_not_there_either(two_hosts: Scene) -> None:
    find(two_hosts.objects, "HTTPRoute")["spec"]["rules"][0]["timeouts"] = {"request": "60s"}
    assert report(two_hosts).line.startswith(
        "does not serve: routes: route-not-accepted: HTTPRoute llm-serving/llama-70b-route: "
    )


@pytest.mark.parametrize(
    "backend",
    [
        {"name": "gone"},
        {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": "gone"},
        # The alpha group is never served (RT04), whether the pool is there or not.
        {"group": "inference.networking.x-k8s.io", "kind": "InferencePool", "name": "llama-70b-inference-pool"},
        # Of that name, but in a namespace that nobody opened.
        {"name": "llama-70b-kserve-workload-svc", "namespace": "elsewhere"},
    ],
)
def test_a_route_to_something_that_no_model_brings_leads(two_hosts: Scene, backend: dict[str, Any]) -> None:
    other_route(two_hosts, **backend)
    assert report(two_hosts).line.startswith(
        "does not serve: routes: route-not-accepted: HTTPRoute llm-serving/other: "
    )


def test_a_policy_for_something_that_no_model_brings_leads(two_hosts: Scene) -> None:
    policy = find(two_hosts.objects, "HealthCheckPolicy", "-pool")
    target = {**policy["spec"]["targetRef"], "name": "gone"}
    other = {
        **policy,
        "metadata": {**policy["metadata"], "name": "other"},
        "spec": {**policy["spec"], "targetRef": target},
    }
    two_hosts.objects.append(other)
    assert report(two_hosts).line.startswith(
        "does not serve: policies-attached: policy-not-attached: HealthCheckPolicy llm-serving/other: "
    )


def test_where_pools_may_not_be_read_a_route_without_backend_is_not_called_a_consequence(two_hosts: Scene) -> None:
    two_hosts.api.refused |= {"InferencePool", "Service"}
    assert report(two_hosts).line.startswith("does not serve: routes: route-not-accepted: ")
