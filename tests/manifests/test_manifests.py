"""Manifests as pure functions: what the field failures taught, on every environment and example."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from catalog.epp_plugins import load_epp_plugins
from catalog.lock import is_moving_tag, load_lock, parse_image
from catalog.tpu import all_shapes
from catalog.vllm_flags import load_flags
from checks.environment import require
from manifests import backend, kserve, llm_inference_service, route, scheduler, server, workload
from settings.derive import Deployment, ServedModel
from settings.document import ROOT, Document, read_document
from tests.checks.cases import GOOD

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
    *past, rule = made["spec"]["rules"]
    assert all("name" not in one for one in (*past, rule))
    assert {one["backendRefs"][0]["kind"] for one in past} == {"Service"}
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
        policy = backend.backend_policy(deployment.namespace, target)["spec"]
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
def test_a_pod_asks_for_all_chips_of_its_node_and_tolerates_only_its_class(
    deployment: Deployment, model: ServedModel
) -> None:
    spec = llm_inference_service.llm_inference_service(deployment, model)["spec"]
    for pod in [spec["template"], *([spec["worker"]] if "worker" in spec else [])]:
        resources = pod["containers"][0]["resources"]
        assert resources["limits"]["google.com/tpu"] == resources["requests"]["google.com/tpu"]
        assert resources["limits"]["google.com/tpu"] == str(model.shape.chips_per_host)
        # GKE tolerates google.com/tpu for a pod that asks for it.
        ordered = bool(deployment.settings.capacity.order)
        assert [t["key"] for t in pod.get("tolerations", ())] == ["cloud.google.com/compute-class"] * ordered
        assert pod["nodeSelector"]["cloud.google.com/gke-tpu-topology"] == model.shape.topology


def test_no_two_slices_of_the_table_are_taken_for_each_other() -> None:
    selectors = {shape: llm_inference_service.node_selector(shape) for shape in all_shapes()}
    assert len({tuple(sorted(selector.items())) for selector in selectors.values()}) == len(selectors)
    [one, two] = [selectors[s] for s in selectors if (s.generation, s.topology) == ("v6e", "2x4")]
    assert one["node.kubernetes.io/instance-type"] == "ct6e-standard-8t"
    assert two["node.kubernetes.io/instance-type"] == "ct6e-standard-4t"
    [usual] = [selectors[s] for s in selectors if (s.generation, s.topology) == ("v6e", "2x2")]
    assert usual == {
        "cloud.google.com/gke-tpu-accelerator": "tpu-v6e-slice",
        "cloud.google.com/gke-tpu-topology": "2x2",
    }


@every_model
def test_every_flag_is_one_the_locked_runtime_knows(deployment: Deployment, model: ServedModel) -> None:
    table = load_flags(load_lock().images["vllm-tpu"].tag)
    for name in server.server_flags(model):
        assert table.lookup(f"--{name}") is not None, name
    args = server.server_args(model)
    assert args[0] == "--served-model-name"
    assert args[1] in model.settings.names_for_clients
    assert "--dtype=half" not in args


def _arguments(flags: dict[str, Any]) -> list[str]:
    data = {**GOOD, "models": [{**GOOD["models"][0], "serverFlags": flags}]}
    [model] = require(Document("test", "test.yaml", data))[0].models
    return server.server_args(model)


@pytest.mark.parametrize("name", ["max-num-seqs", "max_num_seqs", "--max-num-seqs", "-max-num-seqs"])
def test_a_flag_that_is_accepted_is_said_as_the_server_calls_it(name: str) -> None:
    assert "--max-num-seqs=4" in _arguments({name: 4})


@pytest.mark.parametrize(
    "given",
    [{"no-enable-prefix-caching": True}, {"--no_enable_prefix_caching": True}, {"enable-prefix-caching": False}],
    ids=str,
)
def test_a_flag_of_ours_that_is_switched_off_is_said_once(given: dict[str, bool]) -> None:
    assert [arg for arg in _arguments(given) if "prefix-caching" in arg] == ["--no-enable-prefix-caching"]


@every_model
def test_every_picker_plugin_is_known_and_no_default_is_left_to_the_picker(
    deployment: Deployment, model: ServedModel
) -> None:
    table = load_epp_plugins(load_lock().images["epp"].tag)
    known, config = table["plugins"], scheduler.picker_config(model)
    assert set(config.get("featureGates", [])) <= set(table["config"]["featureGates"])
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
    values = kserve.resources_values(deployment)["kserve"]["llmisvc"]
    assert {"name": "PREVENT_WELL_KNOWN_CONFIG_DELETION", "value": "false"} in values["controller"]["env"]
    assert values["createGIECRDs"] is False


def test_a_leader_worker_set_that_comes_later_starts_the_controller_anew() -> None:
    deployment = DEPLOYMENTS["Pulumi.dev.yaml"]
    platform = deployment.settings.platform
    seen = {}
    for provision in ("off", "install", "existing"):
        settings = deployment.settings.model_copy(
            update={"platform": platform.model_copy(update={"leader_worker_set": provision})}
        )
        seen[provision] = kserve.resources_values(Deployment("dev", settings))["kserve"]["llmisvc"]["controller"]["env"]
    assert len({str(env) for env in seen.values()}) == 3


@pytest.mark.parametrize("caching", [True, False])
@every_model
def test_every_argument_as_it_is_started_is_one_the_locked_runtime_knows(
    deployment: Deployment, model: ServedModel, caching: bool
) -> None:
    table = load_flags(load_lock().images["vllm-tpu"].tag)
    changed = ServedModel(model.settings.model_copy(update={"prefix_caching": caching}), model.shape)
    main = llm_inference_service.llm_inference_service(deployment, changed)["spec"]["template"]["containers"][0]
    words = main["args"]
    if model.shape.multi_host:
        [serve] = [line for line in words[0].splitlines() if line.startswith("exec ")]
        words = shlex.split(serve)[4:]
    else:
        assert main["command"] == ["vllm", "serve", "/mnt/models"]
    flags = [word.partition("=")[0] for word in words if word.startswith("--")]
    assert [flag for flag in flags if table.lookup(flag) is None] == []
    assert len(flags) == len(set(flags))
    assert ("--enable-prefix-caching" in flags, "--no-enable-prefix-caching" in flags) == (caching, not caching)


@every_model
def test_a_service_has_shared_memory_its_own_account_and_no_delay_before_its_first_probe(
    deployment: Deployment, model: ServedModel
) -> None:
    spec = llm_inference_service.llm_inference_service(deployment, model)["spec"]
    assert ("worker" in spec) == model.shape.multi_host
    for pod in [spec["template"], *([spec["worker"]] if "worker" in spec else [])]:
        [main] = pod["containers"]
        assert "/dev/shm" in {mount["mountPath"] for mount in main["volumeMounts"]}
        assert {mount["name"] for mount in main["volumeMounts"]} <= {volume["name"] for volume in pod["volumes"]}
        assert pod["serviceAccountName"] == workload.service_account(deployment, model)["metadata"]["name"]
        assert "initialDelaySeconds" not in dict(walk(main))


@every_model
def test_no_object_of_a_model_has_timeouts_of_its_own(deployment: Deployment, model: ServedModel) -> None:
    made = [route.http_route(deployment, model), llm_inference_service.llm_inference_service(deployment, model)]
    assert "timeouts" not in {key for obj in made for key, _ in walk(obj)}
    rule = made[0]["spec"]["rules"][-1]
    assert rule["matches"][0]["path"] == {"type": "PathPrefix", "value": f"/{deployment.namespace}/{model.name}"}
