"""`up` takes no longer than it must: independent parts of the field report's deployment know nothing of each other."""

from __future__ import annotations

import itertools

import pytest

from serving.plan.graph import Graph
from serving.plan.plan import Plan
from serving.program.record import Recording
from tests.graph.planning import planned

DEV = "Pulumi.dev.yaml"
MODEL = "model-qwen2-5-3b-service"
# (what goes its own way, what it must not wait for)
APART = [
    ("cluster-control-plane", ["network-proxy-only", "network-nat", "network-router", "network-webhooks"]),
    ("tpu-v6e-2x2-4t-pool", ["cluster-cpu-pool", "gate-job", "cert-manager-release", "lws-release", "kserve-crds"]),
    ("gate-job", ["tpu-v6e-2x2-4t-pool", "cert-manager-release", "lws-release", "kserve-crds", "network-proxy-only"]),
    ("cert-manager-release", ["gate-job", "lws-release", "kserve-crds", "tpu-v6e-2x2-4t-pool"]),
    ("lws-release", ["gate-job", "cert-manager-release", "kserve-crds", "tpu-v6e-2x2-4t-pool"]),
    ("kserve-crds", ["gate-job", "cert-manager-release", "lws-release", "tpu-v6e-2x2-4t-pool", "cluster-cpu-pool"]),
    ("kserve-presets", ["gateway-object", "tpu-v6e-2x2-4t-pool", "network-proxy-only", "model-qwen2-5-3b-route"]),
    ("gateway-object", ["cert-manager-release", "lws-release", "kserve-crds", "tpu-v6e-2x2-4t-pool"]),
    ("model-qwen2-5-3b-route", ["kserve-crds", "cert-manager-release", "tpu-v6e-2x2-4t-pool"]),
]


def urn(plan: Plan, name: str) -> str:
    [found] = [r.urn for r in plan.graph.resources.values() if r.name == name]
    return found


@pytest.mark.parametrize(("name", "others"), APART, ids=[name for name, _ in APART])
def test_independent_parts_are_built_beside_each_other(name: str, others: list[str]) -> None:
    plan = planned(DEV)
    needed = plan.graph.before.of(urn(plan, name))
    assert not [other for other in others if urn(plan, other) in needed]


def test_the_model_waits_for_nothing_that_watches_it() -> None:
    plan = planned(DEV)
    needed = plan.graph.before.of(urn(plan, MODEL))
    assert not [plan.graph.resources[u].name for u in needed if "monitoring" in plan.graph.resources[u].name]


def test_the_path_is_a_chain_of_direct_dependencies_that_adds_up() -> None:
    plan = planned(DEV)
    longest, serial, path = plan.time
    for earlier, later in itertools.pairwise(path):
        assert earlier.urn in plan.graph.dependencies[later.urn]
    assert longest == pytest.approx(sum(plan.seconds(r) for r in path))
    assert longest < serial
    assert path[-1].name == MODEL


def slower(name: str, after: str) -> float:
    """Critical path of dev in seconds with one more dependency."""
    plan = planned(DEV)
    known = plan.graph.recording.resources
    changed = Graph(Recording(known, {}))
    changed.dependencies[urn(plan, name)] = {*plan.graph.dependencies[urn(plan, name)], urn(plan, after)}
    # The cached dependencies are this graph's own sets: the shared plan stays as it is.
    return changed.critical_path(plan.seconds)[0]


@pytest.mark.parametrize(
    ("name", "after"),
    [
        ("cluster-control-plane", "network-nat"),
        ("gate-job", "lws-release"),
        ("gate-job", "cert-manager-release"),
        ("cluster-cpu-pool", "tpu-v6e-2x2-4t-pool"),
        ("kserve-crds", "gate-job"),
        ("cert-manager-release", "gate-job"),
        ("tpu-v6e-2x2-4t-pool", "kserve-presets"),
        ("kserve-controller", "model-qwen2-5-3b-route"),
    ],
)
def test_one_more_dependency_lengthens_the_critical_path(name: str, after: str) -> None:
    assert slower(name, after) > planned(DEV).time[0]
