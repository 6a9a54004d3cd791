"""What is in force at Google's load balancer is compared with the plan's policies; what can't be asked has a name."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from manifests.backend import backend_policy, backends, health_check_policy
from serving.checking.findings import Finding, Verdict
from serving.drift.findings import Action, Drift, Kind
from serving.drift.google import compare_google
from serving.drift.planned import Planned, PlannedObject
from tests.serving.checking.load_balancer import LoadBalancer, load_balancer
from tests.serving.drift.objects import policy
from tests.serving.google.emulator import Trouble, error
from tests.serving.verify import deployed

NAME = "gkegw1-pzx5-llm-servi-qwen2-5-3b-inferenc-54321-12oqnptayf7u"
POOL = "InferencePool llm-serving/qwen2-5-3b-inference-pool"
IN_FORCE: dict[str, Any] = {
    "timeoutSec": 300,
    "connectionDraining": {"drainingTimeoutSec": 45},
    "iap": {"enabled": False},
}
CHECK: dict[str, Any] = {
    "type": "HTTP",
    "checkIntervalSec": 10,
    "timeoutSec": 5,
    "healthyThreshold": 1,
    "unhealthyThreshold": 3,
    "httpHealthCheck": {
        "port": 8000,
        "portSpecification": "USE_FIXED_PORT",
        "requestPath": "/health",
        "proxyHeader": "NONE",
    },
}


@pytest.fixture
def google() -> Iterator[LoadBalancer]:
    with load_balancer() as made:
        made.add(NAME, "llm-serving", "qwen2-5-3b-inference-pool-ip-0a1b2c3d", IN_FORCE, copy.deepcopy(CHECK))
        yield made


@pytest.fixture
def plan() -> Planned:
    made = deployed.deployment("dev")
    [model] = made.models
    objects = [
        f for b in backends(model) for f in (health_check_policy(made.namespace, b), backend_policy(made.namespace, b))
    ]
    return Planned(tuple(PlannedObject(item, policy(item)) for item in objects), (), 0)


def found(plan: Planned, google: LoadBalancer) -> list[Finding]:
    gateway = {"metadata": {"name": "inference-gateway", "annotations": google.annotations}}
    return list(compare_google(plan, gateway, google.client))


def test_a_load_balancer_that_does_what_the_policies_say_is_no_drift(plan: Planned, google: LoadBalancer) -> None:
    assert found(plan, google) == []


CHANGES: list[tuple[Any, str, Any, Any]] = [
    (lambda g: g.services[NAME].update(timeoutSec=30), "timeoutSec", 300, 30),
    (lambda g: g.services[NAME].pop("connectionDraining"), "connectionDraining", {"drainingTimeoutSec": 45}, None),
    (
        lambda g: g.checks[NAME]["httpHealthCheck"].update(requestPath="/"),
        "healthCheck.httpHealthCheck.requestPath",
        "/health",
        "/",
    ),
    (lambda g: g.checks[NAME]["httpHealthCheck"].update(port=80), "healthCheck.httpHealthCheck.port", 8000, 80),
    (lambda g: g.checks[NAME].update(type="HTTPS"), "healthCheck.type", "HTTP", "HTTPS"),
    (lambda g: g.checks[NAME].update(checkIntervalSec=15), "healthCheck.checkIntervalSec", 10, 15),
]


@pytest.mark.parametrize(("change", "place", "wanted", "value"), CHANGES)
def test_one_value_that_is_otherwise_in_force_is_one_finding(
    plan: Planned, google: LoadBalancer, change: Any, place: str, wanted: Any, value: Any
) -> None:
    change(google)
    [finding] = found(plan, google)
    assert isinstance(finding, Drift)
    assert (finding.failure, finding.object) == (Kind.GOOGLE, f"backend service {NAME} of {POOL}")
    assert (finding.place, finding.wanted, finding.found) == (place, wanted, value)
    assert (finding.next_up, finding.refreshed) == (Action.NOTHING, Action.NOTHING)


def test_guards_are_compared_by_their_names(plan: Planned, google: LoadBalancer) -> None:
    guarded = next(item for item in plan.objects if item.title == "GCPBackendPolicy llm-serving/qwen2-5-3b-pool")
    guarded.manifest["spec"]["default"] |= {"securityPolicy": "edge", "iap": {"enabled": True, "clientID": "c"}}
    google.services[NAME]["securityPolicy"] = (
        "https://www.googleapis.com/compute/v1/projects/p/regions/r/securityPolicies/edge"
    )
    [finding] = found(plan, google)
    assert isinstance(finding, Drift)
    assert (finding.place, finding.wanted, finding.found) == ("iap.enabled", True, False)


def unasked(items: list[Finding]) -> set[tuple[str, str]]:
    assert {item.verdict for item in items} == {Verdict.UNKNOWN}
    return {(item.object, item.failure) for item in items}


def test_a_pool_without_a_backend_service_could_not_be_asked(plan: Planned, google: LoadBalancer) -> None:
    google.groups.clear()
    assert unasked(found(plan, google)) == {(f"load balancer of {POOL}", "backends-not-asked")}


def test_without_gateway_or_answer_every_backend_could_not_be_asked_by_name(
    plan: Planned, google: LoadBalancer
) -> None:
    service = "load balancer of Service llm-serving/qwen2-5-3b-kserve-workload-svc"
    both = {f"load balancer of {POOL}", service}
    assert unasked(list(compare_google(plan, None, google.client))) == {(what, "backends-not-asked") for what in both}
    refusal = error(403, "Required 'compute.backendServices.get' permission", "forbidden")
    google.emulator.troubles["compute", "*"] = Trouble(refusal)
    assert unasked(found(plan, google)) == {(what, "not-allowed-to-ask") for what in both}
