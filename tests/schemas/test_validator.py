"""The validator gives the verdicts that a real API server, or the published schemas, are known to give."""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from catalog.gke import inference_pool_floor, parse_gke_version

from . import available, builtin, objects, schemas_for, unsupported_rules, validate

needs_schemas = pytest.mark.skipif(
    not available(), reason="the schema folder is absent; TPU_SERVING_SCHEMAS names another"
)

RENDERED = {
    "Gateway", "HTTPRoute", "HealthCheckPolicy", "GCPBackendPolicy", "GCPGatewayPolicy", "LLMInferenceService",
    "LLMInferenceServiceConfig", "LeaderWorkerSet", "InferencePool", "InferenceObjective", "PodMonitoring", "Rules",
    "SecretSync", "SecretProviderClass", "Issuer", "Certificate", "ComputeClass",
}  # fmt: skip


def refusing(obj: objects.Object) -> set[str]:
    """Variants that refuse the object."""
    return {problem.variant for problem in validate(obj)}


def refusals(obj: objects.Object) -> str:
    return "\n".join(str(problem) for problem in validate(obj))


def changed(make: Callable[[], objects.Object], path: str, value: Any) -> objects.Object:
    """A good object with one field set, by a dotted path; numbers are positions in lists."""
    obj = make()
    *parents, last = path.split(".")
    place: Any = obj
    for part in parents:
        place = place[int(part)] if part.isdigit() else place.setdefault(part, {})
    place[int(last) if last.isdigit() else last] = value
    return obj


@needs_schemas
@pytest.mark.parametrize("make", objects.CUSTOM, ids=lambda make: make.__name__)
def test_a_good_object_of_each_custom_kind_is_accepted_by_every_variant(make: Callable[[], objects.Object]) -> None:
    obj = make()
    assert schemas_for(obj["apiVersion"], obj["kind"])
    assert validate(obj) == []


@pytest.mark.parametrize("make", objects.BUILT_IN, ids=lambda make: make.__name__)
def test_a_good_object_of_each_built_in_kind_is_accepted_without_the_folder(
    make: Callable[[], objects.Object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TPU_SERVING_SCHEMAS", "/nowhere")
    obj = make()
    assert schemas_for(obj["apiVersion"], obj["kind"]) == []
    assert validate(obj) == []


@needs_schemas
def test_there_is_a_good_object_of_every_kind_that_is_rendered() -> None:
    assert {make()["kind"] for make in objects.CUSTOM} == RENDERED


@needs_schemas
def test_every_rule_of_the_rendered_kinds_can_be_evaluated() -> None:
    assert [rule for rule in unsupported_rules() if rule.kind in RENDERED] == []


@needs_schemas
def test_policies_are_held_against_the_repository_and_the_live_cluster() -> None:
    for kind in ("HealthCheckPolicy", "GCPBackendPolicy", "GCPGatewayPolicy"):
        assert schemas_for("networking.gke.io/v1", kind) == ["gke", "gke-live"]


def _health_check(**http: Any) -> objects.Object:
    return changed(objects.health_check_policy, "spec.default.config.httpHealthCheck", http)


def _without_group() -> objects.Object:
    policy = objects.health_check_policy()
    del policy["spec"]["targetRef"]["group"]
    return policy


def _times(**default: int) -> objects.Object:
    policy = objects.health_check_policy()
    policy["spec"]["default"] = {"config": policy["spec"]["default"]["config"], **default}
    return policy


BOTH, HEAD, NONE = {"gke", "gke-live"}, {"gke"}, set[str]()


@needs_schemas
@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        pytest.param(_health_check(portSpecification="USE_FIXED_PORT", port=8000), NONE, id="fixed port"),
        pytest.param(_health_check(port=8000), HEAD, id="port only"),
        pytest.param(_health_check(requestPath="/health"), HEAD, id="neither"),
        pytest.param(_health_check(portSpecification="USE_SERVING_PORT"), NONE, id="serving port"),
        pytest.param(_health_check(portSpecification="USE_SERVING_PORT", port=8000), BOTH, id="serving port and port"),
        pytest.param(_without_group(), BOTH, id="no group"),
        pytest.param(_times(timeoutSec=15, checkIntervalSec=10), BOTH, id="timeout above interval"),
        pytest.param(_times(timeoutSec=15), BOTH, id="long timeout alone"),
        pytest.param(_times(checkIntervalSec=2), BOTH, id="short interval alone"),
        pytest.param(
            changed(objects.health_check_policy, "spec.default.config.type", "HTTPS"), HEAD, id="type and block differ"
        ),
    ],
)
def test_health_check_policies_get_the_known_verdict_of_each_variant(
    policy: objects.Object, expected: set[str]
) -> None:
    """The table of what the published schemas accept, which runs on a real API server confirmed."""
    assert refusing(policy) == expected


@needs_schemas
def test_an_unguarded_rule_on_an_absent_field_is_an_error_as_on_the_server() -> None:
    assert "Key not found in map" in refusals(_health_check(port=8000))
    assert "portSpecification" in refusals(_health_check(port=8000))


@needs_schemas
@pytest.mark.parametrize(
    ("obj", "expected", "text"),
    [
        (changed(objects.backend_policy, "spec.default.timeoutSec", 0), BOTH, "0 is less than 1"),
        (
            changed(objects.backend_policy, "spec.default.connectionDraining.drainingTimeoutSec", 3601),
            BOTH,
            "more than 3600",
        ),
        (
            changed(objects.backend_policy, "spec.default.sessionAffinity.type", "CLIENT_IP"),
            {"gke-live"},
            "InferencePool",
        ),
        (changed(objects.health_check_policy, "spec.default.config.tcpHealthCheck", {"port": 1}), BOTH, "Properties 2"),
        (changed(objects.health_check_policy, "spec.default.config.type", "UDP"), BOTH, "'UDP' is none of"),
        (changed(objects.gateway_policy, "spec.default.region", 1), BOTH, "must be of type string, not integer"),
    ],
)
def test_policies_that_gke_refuses_are_refused(obj: objects.Object, expected: set[str], text: str) -> None:
    assert refusing(obj) == expected
    assert text in refusals(obj)


@needs_schemas
def test_session_affinity_is_refused_for_the_pool_only() -> None:
    policy = changed(objects.backend_policy, "spec.default.sessionAffinity.type", "CLIENT_IP")
    policy["spec"]["targetRef"] = {"group": "", "kind": "Service", "name": "qwen"}
    assert validate(policy) == []


@needs_schemas
@pytest.mark.parametrize(
    "path", ["extra", "metadata.extra", "spec.extra", "spec.template.containers.0.extra", "spec.router.scheduler.extra"]
)
def test_unknown_fields_are_refused_at_every_level(path: str) -> None:
    obj = changed(objects.llm_inference_service, path, 1)
    assert [problem.message for problem in validate(obj)] == ["unknown field"]


@needs_schemas
@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("spec.scaling", {"minReplicas": 1, "maxReplicas": 2, "wva": {"hpa": {}}}, "replicas"),
        ("spec.scaling", {"maxReplicas": 2}, "wva"),
        ("spec.replicas", "2", "must be of type integer, not string"),
        ("spec.replicas", True, "must be of type integer, not boolean"),
        ("spec.replicas", 1 << 31, "does not fit int32"),
        ("spec.template.containers.0.resources.limits", {"google.com/tpu": "four"}, "does not match"),
        ("spec.template.containers.0.resources.limits", {"google.com/tpu": 0.5}, "integer or a string"),
        (
            "spec.template.containers.0.ports",
            [{"name": "http"}],
            "spec.template.containers[0].ports[0].containerPort: required",
        ),
        ("spec.template.containers.0.env", [{"name": "A"}, {"name": "A"}], "duplicate value"),
        ("metadata.name", "Qwen_3", "DNS subdomain"),
        ("metadata.namespace", "models.prod", "DNS label"),
        ("metadata.labels", {"model": "Qwen/Qwen3"}, "label value"),
        ("metadata.labels", {"replicas": 1}, "must be strings"),
        ("metadata.labels", {"-model": "x"}, "qualified name"),
        ("metadata.annotations", {"Upper/Case!": "x"}, "qualified name"),
        ("metadata.annotations", {"a": "x" * (1 << 18)}, "262145 bytes"),
    ],
)
def test_inference_services_that_the_server_refuses_are_refused(path: str, value: Any, text: str) -> None:
    assert text in refusals(changed(objects.llm_inference_service, path, value))


@needs_schemas
def test_rules_count_only_where_the_structure_holds() -> None:
    """The server evaluates no rules on an object with wrong types, missing or unlisted values."""
    obj = changed(objects.llm_inference_service, "spec.scaling", {"maxReplicas": 2})
    obj["spec"]["template"]["containers"] = "main"
    assert [problem.path for problem in validate(obj)] == ["spec.template.containers"]


@needs_schemas
def test_a_route_has_at_most_sixteen_rules() -> None:
    assert validate(objects.http_route(16)) == []
    assert "17 is more than maxItems 16" in refusals(objects.http_route(17))


@needs_schemas
def test_defaults_are_filled_in_before_rules_and_only_on_a_copy() -> None:
    """The path type defaults to PathPrefix: with it the rewrite is allowed, and the value must begin with a slash."""
    route = objects.http_route()
    del route["spec"]["rules"][0]["matches"][0]["path"]["type"]
    before = deepcopy(route)
    assert validate(route) == []
    assert route == before
    route["spec"]["rules"][0]["matches"][0]["path"]["value"] = "models"
    assert "start with '/'" in refusals(route)


@needs_schemas
@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("spec.rules.0.timeouts", {"request": "1s", "backendRequest": "2s"}, "backendRequest timeout"),
        ("spec.rules.0.timeouts", {"request": "1 hour"}, "does not match"),
        ("spec.rules.0.matches.0.path", {"type": "Exact", "value": "/a//b"}, "'//'"),
        ("spec.rules.0.filters.0.requestMirror", {"backendRef": {"name": "x"}}, "requestMirror must be nil"),
        ("spec.rules.0.backendRefs.0", {"name": "service"}, "Must have port for Service reference"),
        ("spec.hostnames", ["*.*.example.com"], "does not match"),
        ("spec.parentRefs", [{"name": "a"}, {"name": "a"}], "sectionName"),
    ],
)
def test_routes_that_the_server_refuses_are_refused(path: str, value: Any, text: str) -> None:
    assert text in refusals(changed(objects.http_route, path, value))


@needs_schemas
@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("spec.listeners.0.tls", {"mode": "Terminate"}, "tls"),
        ("spec.listeners.1.name", "http", "duplicate value"),
        ("spec.listeners.1.tls", {"mode": "Terminate"}, "certificateRefs"),
        ("spec.addresses", [{"type": "IPAddress", "value": "10.0.0.256"}], "exactly one of oneOf"),
        ("spec.addresses", [{"type": "Hostname", "value": "Upper.example.com"}], "Hostname"),
    ],
)
def test_gateways_that_the_server_refuses_are_refused(path: str, value: Any, text: str) -> None:
    assert text in refusals(changed(objects.gateway, path, value))


@needs_schemas
@pytest.mark.parametrize(
    ("make", "path", "value"),
    [
        (objects.inference_pool, "spec.targetPorts", []),
        (objects.inference_pool, "spec.targetPorts", [{"number": 8000}, {"number": 8000}]),
        (objects.inference_pool, "spec.endpointPickerRef", {"name": "x"}),
        (objects.inference_objective, "spec.poolRef", {}),
        (objects.leader_worker_set, "spec.leaderWorkerTemplate.restartPolicy", "Sometimes"),
        (objects.pod_monitoring, "spec.endpoints", [{"interval": 15}]),
        (objects.rules, "spec.groups.0.rules", [{"alert": "x"}]),
        (objects.secret_sync, "spec.secretObject.data", []),
        (objects.secret_provider_class, "spec.parameters", {"secrets": []}),
        (objects.issuer, "spec.selfsigned", {}),
        (objects.certificate, "spec.issuerRef", {"kind": "Issuer"}),
        (objects.compute_class, "spec.priorities", [{"spot": True, "flexStart": {"enabled": True}}]),
        (objects.compute_class, "metadata.namespace", "models"),
    ],
)
def test_other_kinds_are_refused_where_their_schema_says_so(
    make: Callable[[], objects.Object], path: str, value: Any
) -> None:
    assert validate(changed(make, path, value)) != []


@pytest.mark.parametrize(
    ("make", "path", "value", "text"),
    [
        (objects.namespace, "metadata.name", "a.b", "DNS label"),
        (objects.namespace, "metadata.namespace", "models", "not allowed on this type"),
        (objects.service_account, "automountServiceAccountToken", "no", "must be of type boolean"),
        (objects.service_account, "imagePullSecret", [], "unknown field"),
        (objects.config_map, "data", {"a/b": "c"}, "no valid key"),
        (objects.config_map, "data", {"replicas": 1}, "must be of type string"),
        (objects.config_map, "data", {"a": "x" * (1 << 20) + "x"}, "bytes of data"),
        (objects.secret, "data", {"token": "hf_x"}, "is no byte"),
        (objects.secret, "type", "kubernetes.io/tls", "required"),
        (objects.secret, "type", "kubernetes.io/service-account-token", "required"),
        (objects.role, "rules", [{"apiGroups": [""], "resources": ["secrets"]}], "required"),
        (objects.role, "rules", [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}], "non-resource"),
        (objects.cluster_role, "rules", [{"verbs": ["get"], "resources": ["pods"]}], "required"),
        (objects.role_binding, "roleRef", {"kind": "Role", "name": "reader"}, "roleRef.apiGroup: required"),
        (objects.role_binding, "subjects", [{"kind": "ServiceAccount", "name": "x"}], "namespace: required"),
        (objects.cluster_role_binding, "roleRef.kind", "Role", "not allowed here"),
        (objects.job, "spec.template.spec.restartPolicy", "Always", "none of Never"),
        (objects.job, "spec.template.metadata.labels", {"a": "b c"}, "label value"),
        (objects.job, "spec.template.spec.containers.0.resources", {"limits": {"cpu": "1 core"}}, "does not match"),
        (objects.job, "spec.template.spec.containers.0.cmd", ["x"], "unknown field"),
        (objects.pod_disruption_budget, "spec.minAvailable", 1, "cannot be both set"),
        (objects.pod_disruption_budget, "apiVersion", "policy/v1beta1", "no schema for policy/v1beta1"),
    ],
)
def test_built_in_objects_that_the_server_refuses_are_refused(
    make: Callable[[], objects.Object], path: str, value: Any, text: str
) -> None:
    assert text in refusals(changed(make, path, value))


def test_built_in_schemas_are_of_the_lowest_kubernetes_version_supported() -> None:
    floor = parse_gke_version(inference_pool_floor())
    assert floor is not None
    assert f"{floor[0]}.{floor[1]}" == builtin.VERSION


def test_a_kind_without_a_schema_is_a_problem() -> None:
    assert [problem.variant for problem in validate({"apiVersion": "example.com/v1", "kind": "Thing"})] == ["none"]
    assert [problem.variant for problem in validate({"kind": "Thing"})] == ["none"]


@needs_schemas
def test_validating_a_service_takes_well_under_a_tenth_of_a_second() -> None:
    obj = objects.llm_inference_service()
    validate(obj)

    def once() -> float:
        start = time.perf_counter()
        validate(obj)
        return time.perf_counter() - start

    assert min(once() for _ in range(5)) < 0.05
