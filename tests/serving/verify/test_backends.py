"""The health of backends on the cloud: what Google's own checks see, or by name why nobody can say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from serving.checking.findings import Finding, Verdict
from tests.serving.checking.load_balancer import LoadBalancer, load_balancer
from tests.serving.google.emulator import Trouble, error
from tests.serving.verify.conftest import Scene, outcome
from tests.serving.verify.deployed import find

# Names of GKE's are cut, so that they say little: what counts is the description of the endpoint group.
BACKEND = "gkegw1-pzx5-llm-servi-qwen2-5-3b-inferenc-54321-12oqnptayf7u"
POOL = "qwen2-5-3b-inference-pool"


@pytest.fixture
def google() -> Iterator[LoadBalancer]:
    with load_balancer() as made:
        made.add(BACKEND, "llm-serving", f"{POOL}-ip-0a1b2c3d", {"timeoutSec": 300}, {"type": "HTTP"})
        made.add("gkegw1-pzx5-llm-servi-gw-serve404-80-x", "llm-serving", "gw-serve404", {}, {"type": "HTTP"})
        yield made


@pytest.fixture
def cloud(make: Callable[..., Scene], google: LoadBalancer) -> Scene:
    scene = make(google=google.client)
    find(scene.objects, "Gateway")["metadata"]["annotations"] = google.annotations
    return scene


def worst(scene: Scene) -> Finding:
    return outcome(scene.report(quick=True), "backends-healthy").worst


STATES: list[tuple[list[str], Verdict, str]] = [
    (["HEALTHY", "HEALTHY"], Verdict.PASS, ""),
    (["HEALTHY", "UNHEALTHY"], Verdict.WARN, "backends-some-unhealthy"),
    (["UNHEALTHY", "UNHEALTHY"], Verdict.FAIL, "backends-unhealthy"),
    ([], Verdict.FAIL, "backends-missing"),
]


@pytest.mark.parametrize(("states", "verdict", "failure"), STATES)
def test_the_health_of_a_pool_is_what_google_says_of_its_endpoints(
    cloud: Scene, google: LoadBalancer, states: list[str], verdict: Verdict, failure: str
) -> None:
    google.health[BACKEND] = states
    found = worst(cloud)
    assert (found.verdict, found.failure) == (verdict, failure)
    assert found.object == f"InferencePool llm-serving/{POOL}"
    assert all(state in found.message for state in states if failure and state != "HEALTHY")


def test_a_pool_that_no_backend_service_has_endpoints_of_is_missing(cloud: Scene, google: LoadBalancer) -> None:
    del google.services[BACKEND]
    found = worst(cloud)
    assert (found.verdict, found.failure) == (Verdict.FAIL, "backends-missing")


def test_a_gateway_without_the_annotation_could_not_be_asked(cloud: Scene) -> None:
    del find(cloud.objects, "Gateway")["metadata"]["annotations"]
    found = worst(cloud)
    assert (found.verdict, found.failure) == (Verdict.UNKNOWN, "backends-not-asked")


REFUSALS: list[tuple[Any, str]] = [
    (error(403, "Required 'compute.backendServices.get' permission", "forbidden"), "not-allowed-to-ask"),
    (
        error(403, "Compute Engine API has not been used in project p", "SERVICE_DISABLED", "compute.googleapis.com"),
        "api-off",
    ),
    (error(500, "Internal error"), "google-error"),
]


@pytest.mark.parametrize(("answer", "failure"), REFUSALS)
def test_a_google_that_gives_no_answer_is_no_failure_and_has_a_name(
    cloud: Scene, google: LoadBalancer, answer: Any, failure: str
) -> None:
    google.emulator.troubles["compute", "regionBackendServices.get"] = Trouble(answer)
    report = cloud.report(quick=True)
    found = outcome(report, "backends-healthy").worst
    assert (found.verdict, found.failure) == (Verdict.UNKNOWN, failure)
    assert report.good


def test_every_round_asks_google_anew(cloud: Scene, google: LoadBalancer) -> None:
    google.health[BACKEND] = ["UNHEALTHY"]
    told: list[str] = []

    def heal(text: str) -> None:
        told.append(text)
        if "backends-unhealthy" in text:
            google.health[BACKEND] = ["HEALTHY"]

    report = cloud.report(quick=True, wait_seconds=60, progress=heal)
    assert report.good
    assert any("backends-unhealthy" in text for text in told)
