"""Manifests as pure functions: what the field failures taught, on every environment and example."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any

import pytest

from catalog.epp_plugins import load_epp_plugins
from catalog.lock import is_moving_tag, load_lock, parse_image
from catalog.vllm_flags import load_flags
from checks.environment import require
from manifests import backend, kserve, llm_inference_service, readiness, route, scheduler, server
from settings.derive import Deployment, ServedModel
from settings.document import ROOT, read_document

FILES = sorted([*ROOT.glob("Pulumi.*.yaml"), *ROOT.glob("examples/*.yaml")])
DEPLOYMENTS = {p.name: require(read_document(p))[0] for p in FILES}
MODELS = [(d, m) for d in DEPLOYMENTS.values() for m in d.models]
every_model = pytest.mark.parametrize(("deployment", "model"), MODELS, ids=[f"{d.name}-{m.name}" for d, m in MODELS])


def walk(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key and value of an object."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, inner
            yield from walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner)


@every_model
def test_a_route_has_no_timeouts_no_rule_names_and_the_v1_pool(deployment: Deployment, model: ServedModel) -> None:
    made = route.http_route(deployment, model)
    assert "timeouts" not in {key for key, _ in walk(made)}
    [rule] = made["spec"]["rules"]
    assert "name" not in rule
    [target] = rule["backendRefs"]
    assert target["group"] == "inference.networking.k8s.io"
    assert made["metadata"]["name"] != f"{model.name}-kserve-route"


@every_model
def test_the_load_balancer_asks_what_the_kubelet_asks(deployment: Deployment, model: ServedModel) -> None:
    service = llm_inference_service.llm_inference_service(deployment, model)
    main = service["spec"]["template"]["containers"][0]
    for target in backend.backends(model):
        config = backend.health_check_policy(deployment.namespace, target)["spec"]["default"]["config"]
        check = config["httpHealthCheck"]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            asked = main[probe]["httpGet"]
            assert (asked["scheme"], asked["port"], asked["path"]) == (
                config["type"],
                check["port"],
                check["requestPath"],
            )
            assert "initialDelaySeconds" not in main[probe]


@every_model
def test_both_backends_of_a_model_have_policies_with_an_explicit_group(
    deployment: Deployment, model: ServedModel
) -> None:
    targets = backend.backends(model)
    assert {(t.group, t.kind) for t in targets} == {("", "Service"), ("inference.networking.k8s.io", "InferencePool")}
    for target in targets:
        policy = backend.backend_policy(deployment, target)["spec"]
        assert policy["targetRef"]["group"] == target.group
        assert policy["default"]["timeoutSec"] >= model.answer_seconds > 30
        service = llm_inference_service.llm_inference_service(deployment, model)
        grace = service["spec"]["template"]["terminationGracePeriodSeconds"]
        assert policy["default"]["connectionDraining"]["drainingTimeoutSec"] <= grace


@every_model
def test_the_startup_probe_covers_the_budget_and_the_engine_waits_longer(
    deployment: Deployment, model: ServedModel
) -> None:
    probe = llm_inference_service.probes(model)["startupProbe"]
    covered = probe["periodSeconds"] * probe["failureThreshold"]
    assert model.startup_budget_seconds <= covered < model.ready_timeout_seconds


@every_model
def test_a_pod_asks_for_all_chips_of_its_node_and_sets_no_toleration(
    deployment: Deployment, model: ServedModel
) -> None:
    spec = llm_inference_service.llm_inference_service(deployment, model)["spec"]
    for pod in [spec["template"], *([spec["worker"]] if "worker" in spec else [])]:
        resources = pod["containers"][0]["resources"]
        assert resources["limits"]["google.com/tpu"] == resources["requests"]["google.com/tpu"]
        assert resources["limits"]["google.com/tpu"] == str(model.shape.chips_per_host)
        assert "tolerations" not in pod
        assert pod["nodeSelector"]["cloud.google.com/gke-tpu-topology"] == model.shape.topology


@every_model
def test_every_flag_is_one_the_locked_runtime_knows(deployment: Deployment, model: ServedModel) -> None:
    table = load_flags(load_lock().images["vllm-tpu"].tag)
    for name in server.server_flags(model):
        assert table.lookup(f"--{name}") is not None, name
    args = server.server_args(model)
    assert args[0] == "--served-model-name"
    assert args[1] in model.settings.names_for_clients
    assert "--dtype=half" not in args


@pytest.mark.parametrize("profile", ["prefixCache", "loadAware"])
def test_every_picker_plugin_is_known_and_no_default_is_left_to_the_picker(profile: str) -> None:
    known = load_epp_plugins(load_lock().images["epp"].tag).plugins
    config = scheduler.picker_config(profile)
    declared = [p["type"] for p in config["plugins"]]
    assert set(declared) <= set(known)
    referred = [p["pluginRef"] for profile in config["schedulingProfiles"] for p in profile["plugins"]]
    assert set(referred) <= set(declared)
    assert config["saturationDetector"]["pluginRef"] in declared
    assert {"max-score-picker", "single-profile-handler"} <= set(declared)


def test_no_image_of_the_lock_or_of_a_manifest_moves() -> None:
    for image in load_lock().images.values():
        assert not is_moving_tag(image.tag), image.repository
    for deployment, model in MODELS:
        service = llm_inference_service.llm_inference_service(deployment, model)
        for key, value in walk(service):
            if key == "image":
                assert not is_moving_tag(parse_image(value).tag or "")


def test_tls_is_written_out_and_off_and_the_guard_against_deletion_is_off() -> None:
    deployment = DEPLOYMENTS["Pulumi.dev.yaml"]
    ingress = kserve.inference_service_config(deployment)["data"]["ingress"]
    assert '"enableLLMInferenceServiceTLS": false' in ingress
    controller = kserve.resources_values()["kserve"]["llmisvc"]["controller"]
    assert {"name": "PREVENT_WELL_KNOWN_CONFIG_DELETION", "value": "false"} in controller["env"]
    assert kserve.resources_values()["kserve"]["llmisvc"]["createGIECRDs"] is False


def _gate() -> Any:
    spec = importlib.util.spec_from_file_location("wait_for_gateway", ROOT / "manifests/scripts/wait_for_gateway.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def answers(kind: str, ready: bool) -> dict[str, Any]:
    """An object whose condition holds or not."""
    return {"status": {"conditions": [{"type": kind, "status": "True" if ready else "False"}]}}


@pytest.mark.parametrize(("ready_after", "code"), [(0, 0), (45, 0), (10_000, 1)])
def test_the_gate_waits_until_class_and_crds_are_there_or_the_budget_is_used_up(
    ready_after: int, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()

    def fetch(path: str) -> dict[str, Any]:
        kind = "Accepted" if "gatewayclasses" in path else "Established"
        return answers(kind, clock.now >= ready_after)

    arguments = ["--gateway-class", "gke-l7-rilb", "--crd", "a.b", "--budget-seconds", "120"]
    assert _gate().main(arguments, fetch, clock, clock.sleep) == code
    said = capsys.readouterr().out
    assert "ready after" in said if code == 0 else "did not come up" in said
    assert ready_after == 0 or "waiting for GatewayClass gke-l7-rilb Accepted" in said


def test_the_gate_outlives_an_api_that_does_not_answer(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()

    def fetch(path: str) -> dict[str, Any]:
        if clock.now < 30:
            raise ConnectionRefusedError("refused")
        return answers("Accepted" if "gatewayclasses" in path else "Established", True)

    arguments = ["--gateway-class", "gke-l7-rilb", "--crd", "a.b", "--budget-seconds", "120"]
    assert _gate().main(arguments, fetch, clock, clock.sleep) == 0
    assert "the Kubernetes API" in capsys.readouterr().out


def test_the_gate_asks_only_for_what_its_rights_allow() -> None:
    [_, role, _] = readiness.rbac()
    assert all(rule["verbs"] == ["get"] for rule in role["rules"])
