"""What the cluster's objects say becomes a named failure of the right check, in the controller's words."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from serving.checking.findings import Verdict
from tests.serving.verify import deployed
from tests.serving.verify.conftest import Scene, outcome
from tests.serving.verify.deployed import condition, find, refuse

GWCER104 = 'Error GWCER104: HTTPRoute "llm-serving/qwen2-5-3b-route" is misconfigured, err: Timeouts are not supported.'


def test_an_environment_that_serves_passes_every_check_but_those_google_alone_can_answer(scene: Scene) -> None:
    report = scene.report()
    assert (report.line, report.exit_code) == ("serves; 1 of 26 checks could not ask", 0)
    assert {item.check.name: item.worst.failure for item in report.outcomes if item.verdict is not Verdict.PASS} == {
        "backends-healthy": "backends-not-asked"
    }


def test_quick_sends_no_request_and_says_so(scene: Scene) -> None:
    def never(method: str, path: str, _body: Any) -> Any:
        raise AssertionError(f"{method} {path}")

    scene.answer = never
    report = scene.report(quick=True)
    assert report.good
    assert "no request was sent" in report.line
    assert not any(item.check.traffic for item in report.outcomes)


REFUSALS = [
    ("GatewayClass", "", "Accepted", "gateway-class", "gateway-class-not-accepted"),
    ("Gateway", "", "Programmed", "gateway-programmed", "gateway-stopped"),
    ("HTTPRoute", "", "Accepted", "routes", "route-not-accepted"),
    ("HTTPRoute", "", "ResolvedRefs", "routes", "route-not-accepted"),
    ("HTTPRoute", "", "Reconciled", "routes", "route-not-reconciled"),
    ("HealthCheckPolicy", "-pool", "Attached", "policies-attached", "policy-not-attached"),
    ("GCPBackendPolicy", "-service", "Attached", "policies-attached", "policy-not-attached"),
    ("InferencePool", "", "Accepted", "pools", "pool-not-accepted"),
    ("InferencePool", "", "ResolvedRefs", "pools", "pool-not-accepted"),
    ("LLMInferenceService", "", "Ready", "models-ready", "model-not-ready"),
]


@pytest.mark.parametrize(("kind", "end", "type_", "check", "failure"), REFUSALS)
def test_a_false_condition_fails_its_check_in_the_controllers_words(
    scene: Scene, kind: str, end: str, type_: str, check: str, failure: str
) -> None:
    refuse(find(scene.objects, kind, end), type_, "Invalid", GWCER104)
    report = scene.report(quick=True)
    worst = outcome(report, check).worst
    assert (worst.verdict, worst.failure) == (Verdict.FAIL, failure)
    assert GWCER104 in worst.message
    assert report.line.startswith(f"does not serve: {check}: {failure}: {kind} ")


@pytest.mark.parametrize(("kind", "end", "type_", "check", "failure"), REFUSALS)
def test_a_condition_of_an_older_generation_proves_nothing(
    scene: Scene, kind: str, end: str, type_: str, check: str, failure: str
) -> None:
    find(scene.objects, kind, end)["metadata"]["generation"] = 2
    worst = outcome(scene.report(quick=True), check).worst
    assert (worst.verdict, worst.failure) == (Verdict.FAIL, "status-not-written")


def test_the_verdict_names_the_route_and_not_what_follows_from_it(scene: Scene) -> None:
    # What GKE writes for one route with `timeouts` (field issue 4).
    refuse(find(scene.objects, "Gateway"), "Programmed", "Invalid", GWCER104)
    refuse(find(scene.objects, "HTTPRoute"), "Reconciled", "ReconciliationFailed", GWCER104)
    refuse(find(scene.objects, "HTTPRoute"), "Accepted", "Invalid", GWCER104)
    refuse(find(scene.objects, "InferencePool"), "Accepted", "HTTPRouteNotAccepted", GWCER104)
    refuse(find(scene.objects, "LLMInferenceService"), "Ready", "GatewaysNotReady", "not ready")
    report = scene.report(quick=True)
    assert report.line.startswith(
        "does not serve: routes: route-not-accepted: HTTPRoute llm-serving/qwen2-5-3b-route: "
    )
    assert outcome(report, "gateway-programmed").worst.failure == "gateway-stopped"


def test_a_gateway_that_stops_by_itself_is_the_cause_of_the_rest(scene: Scene) -> None:
    text = "Insert: An active proxy-only subnetwork is required in the same region and VPC as the forwarding rule."
    refuse(find(scene.objects, "Gateway"), "Programmed", "Invalid", text)
    refuse(find(scene.objects, "HTTPRoute"), "Reconciled", "ReconciliationFailed", text)
    assert scene.report(quick=True).line.startswith("does not serve: gateway-programmed: gateway-not-programmed: ")


def test_a_picker_that_is_down_is_named_and_ready_servers_are_not_blamed(scene: Scene) -> None:
    service = find(scene.objects, "LLMInferenceService")
    refuse(service, "Ready", "MinimumReplicasUnavailable", "no picker")
    service["status"]["conditions"] += [
        {"type": "WorkloadsReady", "status": "True"},
        {"type": "SchedulerWorkloadReady", "status": "False", "message": "no picker"},
    ]
    condition(find(scene.objects, "Pod", "server-0"), "Ready").update(status="False")
    assert _model(scene).failure == "picker-not-ready"


def test_no_ready_picker_is_a_failure_though_everything_else_is_well(scene: Scene) -> None:
    condition(find(scene.objects, "Pod", "-picker"), "Ready").update(status="False")
    assert scene.report(quick=True).line.startswith("does not serve: pickers: picker-not-ready: ")
    scene.objects.remove(find(scene.objects, "Pod", "-picker"))
    assert outcome(scene.report(quick=True), "pickers").worst.message == "0 pods, none ready"


def test_a_class_that_takes_no_pools_and_a_class_changed_by_hand_are_named(scene: Scene) -> None:
    wrong = "gke-l7-global-external-managed"
    find(scene.objects, "Gateway")["spec"]["gatewayClassName"] = wrong
    worst = outcome(scene.report(quick=True), "gateway-programmed").worst
    assert (worst.failure, wrong in worst.message) == ("gateway-class-differs", True)
    # What the class can't do is the cause, whatever was declared.
    assert scene.report(quick=True).line.startswith("does not serve: gateway-class: gateway-class-without-pools: ")
    declared = scene.target().outputs.gateway
    scene.changes["gateway"] = declared.model_copy(update={"class_name": wrong})
    find(scene.objects, "GatewayClass")["metadata"]["name"] = wrong
    assert outcome(scene.report(quick=True), "gateway-class").worst.failure == "gateway-class-without-pools"


MISSING = [
    ("GatewayClass", "gateway-class", "kind-not-served"),
    ("Gateway", "gateway-programmed", "kind-not-served"),
    ("HTTPRoute", "routes", "kind-not-served"),
    ("InferencePool", "pools", "kind-not-served"),
    ("LLMInferenceService", "models-ready", "kind-not-served"),
    ("HealthCheckPolicy", "policies-attached", "kind-not-served"),
]


@pytest.mark.parametrize(("kind", "check", "failure"), MISSING)
def test_a_kind_that_the_cluster_does_not_know_is_a_failure(scene: Scene, kind: str, check: str, failure: str) -> None:
    scene.api.absent.add(kind)
    worst = outcome(scene.report(quick=True), check).worst
    assert (worst.verdict, worst.failure) == (Verdict.FAIL, failure)
    assert kind in worst.message


DELETED = [
    ("Gateway", "", "gateway-programmed", "gateway-missing"),
    ("HTTPRoute", "", "routes", "route-missing"),
    ("HealthCheckPolicy", "-pool", "policies-attached", "policy-missing"),
    ("GCPBackendPolicy", "-pool", "request-timeout", "policy-missing"),
    ("InferencePool", "", "pools", "pool-missing"),
    ("LLMInferenceService", "", "models-ready", "model-missing"),
]


@pytest.mark.parametrize(("kind", "end", "check", "failure"), DELETED)
def test_an_object_that_is_gone_is_a_failure(scene: Scene, kind: str, end: str, check: str, failure: str) -> None:
    gone = find(scene.objects, kind, end)
    # Another one of its kind stays, so that the kind is served.
    scene.objects.append({**gone, "metadata": {"name": "other", "namespace": "elsewhere"}})
    scene.objects.remove(gone)
    worst = outcome(scene.report(quick=True), check).worst
    assert (worst.verdict, worst.failure) == (Verdict.FAIL, failure)


def test_another_teams_bad_route_at_our_gateway_is_ours_too(scene: Scene) -> None:
    own = find(scene.objects, "HTTPRoute")
    other = {**own, "metadata": {**own["metadata"], "name": "other"}, "status": {"parents": []}}
    scene.objects.append(other)
    worst = outcome(scene.report(quick=True), "routes").worst
    assert (worst.failure, worst.object) == ("status-not-written", "HTTPRoute llm-serving/other")


def test_a_health_check_of_the_root_path_is_named_before_any_traffic(scene: Scene) -> None:
    policy = find(scene.objects, "HealthCheckPolicy", "-pool")
    del policy["spec"]["default"]["config"]["httpHealthCheck"]["requestPath"]
    worst = outcome(scene.report(quick=True), "health-check").worst
    assert worst.failure == "health-check-differs"
    assert "asks HTTP :8000 /, the servers answer HTTP :8000 /health" in worst.message


@pytest.mark.parametrize("limit", [30, None])
def test_a_time_limit_below_the_longest_answer_fails(scene: Scene, limit: int | None) -> None:
    default = find(scene.objects, "GCPBackendPolicy", "-pool")["spec"]["default"]
    del default["timeoutSec"]
    if limit is not None:
        default["timeoutSec"] = limit
    worst = outcome(scene.report(quick=True), "request-timeout").worst
    assert worst.failure == "request-timeout-too-short"
    assert "timeoutSec is 30 s" in worst.message


def test_the_oldest_of_two_policies_is_the_one_that_counts(scene: Scene) -> None:
    own = find(scene.objects, "GCPBackendPolicy", "-pool")
    own["metadata"]["creationTimestamp"] = "2026-11-24T12:00:00Z"
    older = {**own, "metadata": {**own["metadata"], "name": "older", "creationTimestamp": "2026-11-23T12:00:00Z"}}
    scene.objects.append({**older, "spec": {**own["spec"], "default": {"timeoutSec": 60}}})
    assert outcome(scene.report(quick=True), "request-timeout").worst.failure == "request-timeout-too-short"


def test_a_gateway_without_address_fails(scene: Scene) -> None:
    find(scene.objects, "Gateway")["status"]["addresses"] = []
    assert outcome(scene.report(quick=True), "gateway-programmed").worst.failure == "gateway-without-address"


def test_one_bad_listener_is_named(scene: Scene) -> None:
    listener = find(scene.objects, "Gateway")["status"]["listeners"][0]
    listener["conditions"][1].update(status="False", reason="InvalidCertificateRef", message="Error GWCER102: gone")
    worst = outcome(scene.report(quick=True), "gateway-programmed").worst
    assert "listener http" in worst.object
    assert "GWCER102" in worst.message


def test_what_the_pods_say_becomes_the_cause_of_a_model_that_is_not_ready(scene: Scene) -> None:
    refuse(find(scene.objects, "LLMInferenceService"), "Ready", "MinimumReplicasUnavailable", "no replica")
    pod = find(scene.objects, "Pod", "server-0")
    condition(pod, "Ready").update(status="False")
    assert _model(scene).failure == "model-starting"
    pod["status"]["conditions"].append({"type": "PodScheduled", "status": "False", "message": "0/2 nodes: no TPU"})
    assert _model(scene).failure == "model-without-nodes"
    assert "0/2 nodes: no TPU" in _model(scene).message
    for minute, text in (("02", "GCE out of resources"), ("01", "first try")):
        about = {"kind": "Pod", "name": pod["metadata"]["name"]}
        stamp = f"2026-11-27T12:{minute}:00Z"
        metadata = {"name": f"event-{minute}", "namespace": pod["metadata"]["namespace"]}
        said = {"reason": "FailedScaleUp", "message": text, "involvedObject": about, "lastTimestamp": stamp}
        scene.objects.append({"apiVersion": "v1", "kind": "Event", "metadata": metadata, **said})
    assert _model(scene).message.endswith("0/2 nodes: no TPU: GCE out of resources")
    waiting: dict[str, Any] = {"name": "main", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "gone"}}}
    pod["status"]["containerStatuses"] = [waiting]
    assert _model(scene).failure == "model-without-image"
    waiting["state"]["waiting"]["reason"] = "CrashLoopBackOff"
    waiting["lastState"] = {"terminated": {"exitCode": 2, "message": "unrecognized arguments: --prefix"}}
    crashed = _model(scene)
    assert crashed.failure == "model-crashes"
    assert "exit code 2: unrecognized arguments: --prefix" in crashed.message
    service = find(scene.objects, "LLMInferenceService")
    words = {"type": "WorkerWorkloadReady", "status": "False", "message": "no matches for kind LeaderWorkerSet"}
    service["status"]["conditions"].append(words)
    assert _model(scene).failure == "lws-missing"


@pytest.mark.parametrize(
    "status",
    [
        {"observedGeneration": 0, "replicas": 3, "updatedReplicas": 3},
        {"observedGeneration": 1, "replicas": 4, "updatedReplicas": 1},
        {"observedGeneration": 1, "replicas": 4, "updatedReplicas": 3},
        {},
    ],
)
def test_a_model_that_is_ready_by_servers_of_an_older_template_is_not_done(
    scene: Scene, status: dict[str, Any]
) -> None:
    find(scene.objects, "Deployment")["status"] = status
    worst = _model(scene)
    assert (worst.failure, worst.follows) == ("model-rolling-out", True)
    crashing = find(scene.objects, "Pod", "server-0")
    ended = {"terminated": {"exitCode": 2, "message": "unrecognized arguments"}}
    state = {"name": "main", "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ended}
    crashing["status"]["containerStatuses"] = [state]
    assert _model(scene).failure == "model-crashes"


def test_a_change_that_kserve_has_not_seen_is_not_ready(scene: Scene) -> None:
    service = find(scene.objects, "LLMInferenceService")
    service["metadata"]["generation"], service["status"]["observedGeneration"] = 2, 1
    for entry in service["status"]["conditions"]:
        del entry["observedGeneration"]  # as KServe writes them
    assert _model(scene).failure == "status-not-written"


def test_a_service_that_says_https_over_plain_servers_is_named(scene: Scene) -> None:
    find(scene.objects, "Service", "-workload-svc")["spec"]["ports"][0]["appProtocol"] = "https"
    assert scene.report(quick=True).line.startswith("does not serve: services: service-says-https: ")


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_a_start_with_a_fixed_delay_or_without_a_budget_is_named(scene: Scene, probe: str) -> None:
    (container,) = find(scene.objects, "LLMInferenceService")["spec"]["template"]["containers"]
    container[probe]["initialDelaySeconds"] = 240
    assert outcome(scene.report(quick=True), "startup").worst.message == (
        f"{probe} waits 240 s before its first request"
    )
    del container[probe]
    worst = outcome(scene.report(quick=True), "startup")
    assert (worst.worst.failure == "start-delayed") is (probe == "startupProbe")


def _model(scene: Scene) -> Any:
    return outcome(scene.report(quick=True), "models-ready").worst


def test_an_open_external_gateway_and_a_missing_listener_are_named(scene: Scene) -> None:
    gateway = find(scene.objects, "Gateway")
    declared = {"class_name": "gke-l7-regional-external-managed"}
    output = scene.report(quick=True)
    assert outcome(output, "exposure").verdict is Verdict.PASS
    from tests.serving.verify import deployed

    made = deployed.outputs(scene.deployment, "http://127.0.0.1:1")
    scene.changes["gateway"] = made.gateway.model_copy(update=declared)
    assert outcome(scene.report(quick=True), "exposure").worst.failure == "open-to-everyone"
    scene.changes["gateway"] = made.gateway.model_copy(update={"scheme": "https", "port": 443})
    worst = outcome(scene.report(quick=True), "exposure").worst
    assert (worst.failure, worst.object) == ("tls-missing", f"Gateway llm-serving/{gateway['metadata']['name']}")


def test_a_monitoring_that_selects_nothing_is_a_warning(scene: Scene) -> None:
    find(scene.objects, "PodMonitoring", "-server")["spec"]["selector"] = {"matchLabels": {"other": "label"}}
    report = scene.report(quick=True)
    assert outcome(report, "metrics-scraped").worst.failure == "metrics-not-scraped"
    assert report.good


CLOSED = "compile cache gs://b/xla-cache/prod/: HTTP 403 denied; this server compiles by itself"


@pytest.mark.parametrize(
    ("state", "verdict", "failure"),
    [
        ({"terminated": {"exitCode": 0, "message": "gs://b/x: whole, 9 files"}}, Verdict.PASS, ""),
        ({"terminated": {"exitCode": 1, "message": "model.safetensors is missing"}}, Verdict.FAIL, "weights-not-whole"),
        ({"terminated": {"exitCode": 1, "message": "listing: HTTP 403 no"}}, Verdict.FAIL, "weights-denied"),
        ({"terminated": {"exitCode": 0, "message": CLOSED}}, Verdict.WARN, "compile-cache-closed"),
        ({"running": {}}, Verdict.PASS, ""),
    ],
)
@pytest.mark.parametrize("restarted", [False, True])
def test_what_a_server_found_in_the_bucket_is_told(
    scene: Scene, state: dict[str, Any], verdict: Verdict, failure: str, restarted: bool
) -> None:
    pod = find(scene.objects, "Pod", "server-0")
    states = (
        {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": state} if restarted else {"state": state}
    )
    pod["status"]["initContainerStatuses"] = [
        {"name": "storage-initializer", "state": {}},
        {"name": "weights", **states},
    ]
    worst = outcome(scene.report(quick=True), "starts").worst
    assert (worst.verdict, worst.failure) == (verdict, failure)
    assert state.get("terminated", {}).get("message", "") in worst.message


@pytest.mark.parametrize(
    ("ready", "cache", "again", "said"),
    [
        (
            "00:10:00",
            "cold, this start fills it",
            0,
            "ready after 600 s, 200 s of it without a node; planned for a first start: 300 to 900 s (as planned)",
        ),
        ("00:10:00", "warm, 3 entries", 0, "planned for a later start: 100 to 400 s (slower)"),
        ("00:04:00", "cold, this start fills it", 0, "planned for a first start: 300 to 900 s (faster)"),
        ("00:10:00", "warm, 3 entries", 1, ""),
    ],
)
def test_starts_are_told_beside_the_plan(scene: Scene, ready: str, cache: str, again: int, said: str) -> None:
    """A container that was started again says nothing: its pod became Ready of another start."""
    made = deployed.outputs(scene.deployment, "http://models").models
    planned = {"start_seconds": (300, 900), "later_start_seconds": (100, 400)}
    scene.changes["models"] = [m.model_copy(update=planned) for m in made]
    pod = find(scene.objects, "Pod", "server-0")
    pod["metadata"]["creationTimestamp"] = "2026-12-01T00:00:00Z"
    day = "2026-12-01T"
    times = {"PodScheduled": f"{day}00:03:20Z", "Ready": f"{day}{ready}Z"}
    pod["status"] |= {
        "conditions": [{"type": kind, "status": "True", "lastTransitionTime": time} for kind, time in times.items()],
        "containerStatuses": [{"name": "main", "restartCount": again}],
        "initContainerStatuses": [
            {"name": "weights", "state": {"terminated": {"exitCode": 0, "message": f"compile cache gs://b/x: {cache}"}}}
        ],
    }
    notes = scene.report(quick=True).notes
    assert [said in text for _, texts in notes for text in texts] == ([True] if said else [])


def test_a_job_that_could_not_fill_the_bucket_is_named(scene: Scene) -> None:
    made = deployed.outputs(scene.deployment, "http://models").models
    scene.changes["models"] = [m.model_copy(update={"weights": "gs://b/weights/files/x"}) for m in made]
    model = made[0].name
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"{model}-weights", "namespace": "llm-serving"},
    }
    failure = {
        "type": "Failed",
        "status": "True",
        "reason": "BackoffLimitExceeded",
        "message": "Job has reached its limit",
    }
    scene.objects.append({**job, "status": {"conditions": [failure]}})
    worst = outcome(scene.report(quick=True), "starts").worst
    assert (worst.failure, worst.message) == ("weights-not-filled", "Job has reached its limit")
    pod = copy.deepcopy(find(scene.objects, "Pod", "picker"))
    pod["metadata"] |= {"name": "filling", "labels": {"batch.kubernetes.io/job-name": f"{model}-weights"}}
    ended = {"exitCode": 1, "message": "gs://b: writing: HTTP 403 no storage.objects.create"}
    pod["status"]["containerStatuses"] = [{"name": "weights", "state": {"terminated": ended}}]
    scene.objects.append(pod)
    worst = outcome(scene.report(quick=True), "starts").worst
    assert (worst.failure, worst.message) == ("weights-denied", f"Job has reached its limit; {ended['message']}")
