"""The recorded graph of every environment and example: parents, providers, order, counts, secrets."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from settings.document import ROOT, Document
from tests.graph.planning import ENVIRONMENTS, of_kind, plan_document, planned

DEV, PROD = "Pulumi.dev.yaml", "Pulumi.prod.yaml"
COMPONENT_TOKENS = {
    "tpu-serving:platform:Keda",
    "tpu-serving:scaling:MetricsAccess",
    "tpu-serving:gateway:Certificate",
    "tpu-serving:cluster:Cluster",
    "tpu-serving:cluster:ReadinessGate",
    "tpu-serving:gateway:Gateway",
    "tpu-serving:gateway:HealthCheckPolicy",
    "tpu-serving:model:ModelService",
    "tpu-serving:monitoring:Alerts",
    "tpu-serving:monitoring:Monitoring",
    "tpu-serving:network:Network",
    "tpu-serving:platform:CertManager",
    "tpu-serving:platform:KServe",
    "tpu-serving:platform:LeaderWorkerSet",
    "tpu-serving:project:ProjectServices",
    "tpu-serving:tpu:TpuNodePool",
    "tpu-serving:weights:WeightsBucket",
}

every = pytest.mark.parametrize("name", ENVIRONMENTS)


def test_type_tokens_are_pinned() -> None:
    tokens = {r.type for n in ENVIRONMENTS for r in planned(n).graph.recording.resources if not r.custom}
    assert tokens == COMPONENT_TOKENS


@every
def test_no_default_provider_is_ever_used(name: str) -> None:
    everything = planned(name).graph.everything
    for r in planned(name).graph.resources.values():
        wanted = "pulumi:providers:kubernetes" if r.type.startswith("kubernetes:") else "pulumi:providers:gcp"
        assert r.provider is not None, r.name
        assert everything[r.provider].type == wanted, r.name
    assert sum(r.type.startswith("pulumi:providers:") for r in everything.values()) == 2


@every
def test_every_resource_has_a_component_above_it(name: str) -> None:
    everything = planned(name).graph.everything
    for r in planned(name).graph.resources.values():
        assert r.parent is not None
        assert not everything[r.parent].custom


@every
def test_no_name_hangs_on_an_unknown(name: str) -> None:
    for r in planned(name).graph.recording.resources:
        assert "Output" not in r.name
        metadata = json.dumps(r.inputs.get("metadata", {}))
        assert "known after" not in metadata
        assert "Output" not in metadata


@every
def test_the_provider_survives_an_unknown_kubeconfig(name: str) -> None:
    [provider] = [r for r in planned(name).graph.recording.resources if r.type == "pulumi:providers:kubernetes"]
    assert provider.inputs["clusterIdentifier"] == planned(name).deployment.cluster_identifier
    assert provider.inputs["kubeconfig"] in ("known after up", "[secret]")


def test_dev_is_the_field_reports_pattern_1() -> None:
    plan = planned(DEV)
    [service] = of_kind(plan, "LLMInferenceService")
    targets = sorted(p.inputs["spec"]["targetRef"]["kind"] for p in of_kind(plan, "HealthCheckPolicy"))
    assert targets == ["InferencePool", "Service"]
    assert sorted(p.inputs["spec"]["targetRef"]["kind"] for p in of_kind(plan, "GCPBackendPolicy")) == targets
    for policy in of_kind(plan, "HealthCheckPolicy"):
        assert "group" in policy.inputs["spec"]["targetRef"]
        check = policy.inputs["spec"]["default"]["config"]["httpHealthCheck"]
        assert (check["portSpecification"], check["port"]) == ("USE_FIXED_PORT", 8000)
    [gateway] = of_kind(plan, "Gateway")
    assert gateway.inputs["spec"]["gatewayClassName"] == "gke-l7-rilb"
    assert [s for s in of_kind(plan, "Subnetwork") if s.inputs.get("purpose") == "REGIONAL_MANAGED_PROXY"]
    assert plan.deployment.chips == 4
    assert service.inputs["metadata"]["annotations"]["pulumi.com/waitFor"] == "condition=Ready"


def test_leader_worker_set_comes_before_kserve_and_kserve_before_the_model() -> None:
    graph = planned(DEV).graph
    at = {r.name: r.urn for r in graph.resources.values()}
    assert at["lws-release"] in graph.before.of(at["kserve-controller"])
    assert at["gate-job"] in graph.before.of(at["kserve-controller"])
    assert at["kserve-crds"] in graph.before.of(at["kserve-controller"])
    assert at["kserve-presets"] in graph.before.of(at["model-qwen2-5-3b-service"])


def test_prod_has_twelve_chips_and_room_for_updates() -> None:
    plan = planned(PROD)
    [service] = of_kind(plan, "LLMInferenceService")
    assert service.inputs["spec"]["replicas"] == 3
    assert plan.deployment.chips == 12
    [pool] = [p for p in of_kind(plan, "NodePool") if p.name != "cluster-cpu-pool"]
    assert pool.inputs["autoscaling"]["maxNodeCount"] >= 4
    assert pool.inputs["autoscaling"]["minNodeCount"] == 0
    [cluster] = of_kind(plan, "Cluster")
    assert cluster.inputs["deletionProtection"] is True


def test_a_multi_host_model_has_workers_and_a_pool_of_one_slice() -> None:
    plan = planned("examples/multi-host.yaml")
    [service] = of_kind(plan, "LLMInferenceService")
    assert service.inputs["spec"]["worker"]["containers"][0]["name"] == "main"
    # KServe reads the size of the group from it; the server spreads the model over all devices of the slice.
    assert service.inputs["spec"]["parallelism"] == {"pipeline": 2}
    [script] = service.inputs["spec"]["template"]["containers"][0]["args"]
    assert "--tensor-parallel-size=16" in script and "pipeline-parallel" not in script
    [pool] = [p for p in of_kind(plan, "NodePool") if p.name != "cluster-cpu-pool"]
    assert pool.inputs["autoscaling"]["maxNodeCount"] == 2
    assert "placementPolicy" in pool.inputs
    [config] = of_kind(plan, "LLMInferenceServiceConfig")
    assert config.urn in plan.graph.before.of(service.urn)


@every
def test_placement_policy_exactly_for_multi_host(name: str) -> None:
    for pool in planned(name).deployment.pools:
        [made] = [r for r in of_kind(planned(name), "NodePool") if r.inputs.get("name") == pool.name]
        assert ("placementPolicy" in made.inputs) == pool.shape.multi_host


def test_what_exists_is_not_created() -> None:
    plan = planned("examples/existing-platform.yaml")
    types = {r.type for r in plan.graph.recording.resources}
    assert not [t for t in types if t.startswith("gcp:compute/")]
    assert not of_kind(plan, "Release")
    assert not types & {
        "tpu-serving:network:Network",
        "tpu-serving:platform:CertManager",
    }
    # An existing KServe is waited for, and nothing else.
    assert [r.name for r in plan.graph.order if r.name.startswith("kserve-")] == ["kserve-webhooks-job"]


def test_a_plan_imports_nothing_of_the_sdks_of_the_providers() -> None:
    code = (
        "import sys, io, contextlib\nfrom serving.cli import application\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    application()(['plan', 'dev', '--format', 'json'])\n"
        "print('pulumi' in sys.modules, [m for m in sys.modules if m.startswith(('pulumi_gcp', 'pulumi_kubernetes'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "True []", done.stderr


def test_a_token_is_a_pulumi_secret_and_nowhere_in_the_plan() -> None:
    plan = planned("examples/gated-model.yaml")
    [secret] = [r for r in of_kind(plan, "Secret") if r.name.startswith("model-")]
    assert secret.secrets
    assert secret.inputs["stringData"] in ("[secret]", {"HF_TOKEN": "[secret]"})


def test_the_critical_path_of_dev_is_what_the_next_step_needs() -> None:
    plan = planned(DEV)
    _, _, path = plan.time
    everything = plan.graph.everything
    components = list(dict.fromkeys(everything[r.parent or ""].name for r in path))
    assert components == ["apis", "network", "cluster", "gate", "kserve", "model-qwen2-5-3b"]
    assert [r.name for r in path] == [
        "apis-compute",
        "network-vpc",
        "network-nodes",
        "cluster-control-plane",
        "cluster-cpu-pool",
        "gate-job",
        "kserve-controller",
        "kserve-webhooks-job",
        "kserve-presets",
        "model-qwen2-5-3b-service",
    ]


def test_an_added_dependency_lengthens_the_critical_path() -> None:
    plan = plan_document(Document("dev", "dev", planned_data(DEV)))
    before = plan.time[0]
    at = {r.name: r.urn for r in plan.graph.resources.values()}
    plan.graph.dependencies[at["gate-job"]].add(at["tpu-v6e-2x2-4t-pool"])
    plan.graph.dependencies[at["tpu-v6e-2x2-4t-pool"]].add(at["cert-manager-release"])
    plan.graph.__dict__.pop("order", None), plan.graph.__dict__.pop("levels", None)
    assert plan.graph.critical_path(plan.seconds)[0] > before


def planned_data(name: str) -> dict[str, object]:
    from settings.document import read_document

    return read_document(ROOT / name).data
