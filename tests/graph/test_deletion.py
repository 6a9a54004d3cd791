"""Order of creation and deletion: the invariants of `ordering`, on every file and on environments made up at random."""

from __future__ import annotations

import math
from collections import Counter
from functools import cache
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from catalog.tpu import SliceShape, all_shapes, find_shape
from serving.plan.plan import Plan
from settings.document import Document
from tests.everything import examples
from tests.graph.ordering import INVARIANTS, Order, breaches
from tests.graph.planning import ENVIRONMENTS, of_kind, plan_document, planned

SHAPES = sorted({(s.generation, s.topology) for s in all_shapes()})
SMALL = [(g, t) for g, t in SHAPES if (s := find_shape(g, t)) and s.hosts <= 4]


@cache
def order_of(name: str) -> Order:
    return Order(planned(name))


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_invariant(name: str) -> None:
    broken = {invariant.__name__: list(invariant(order_of(name))) for invariant in INVARIANTS}
    assert {invariant: found for invariant, found in broken.items() if found} == {}


@pytest.mark.parametrize(
    ("later", "earlier", "breach"),
    [
        ("model-qwen2-5-3b-service", "kserve-presets", "kserve-presets may be deleted before"),
        ("model-qwen2-5-3b-service", "tpu-v6e-2x2-4t-pool", "tpu-v6e-2x2-4t-pool may be deleted before"),
        ("model-qwen2-5-3b-service", "model-qwen2-5-3b-route", "model-qwen2-5-3b-route may be deleted before"),
        ("gateway-object", "network-proxy-only", "network-proxy-only may be deleted before gateway-object"),
        ("kserve-controller", "lws-release", "lws-release may be deleted before kserve-controller"),
        ("tpu-v6e-2x2-4t-pool", "network-nat", "network-nat may be deleted before tpu-v6e-2x2-4t-pool"),
    ],
)
def test_a_lost_dependency_is_noticed(later: str, earlier: str, breach: str) -> None:
    from settings.document import ROOT, read_document

    plan = plan_document(read_document(ROOT / "Pulumi.dev.yaml"))
    urns = {r.name: r.urn for r in plan.graph.resources.values()}
    plan.graph.dependencies[urns[later]].remove(urns[earlier])
    assert any(breach in line for line in breaches(plan))


def one_model(index: int) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda shape, replicas: {
            "name": f"model-{index}",
            "source": "hf://example/model",
            "tpu": {"generation": shape[0], "topology": shape[1]},
            "replicas": replicas,
        },
        st.sampled_from(SMALL),
        st.integers(1, 6),
    )


choice = st.sampled_from(["install", "existing"])
environments = st.fixed_dictionaries(
    {
        "project": st.just({"id": "example-project"}),
        "location": st.just({"zone": "europe-west4-a"}),
        "tier": st.sampled_from(["dev", "staging", "production"]),
        "capacity": st.fixed_dictionaries({"purchase": st.sampled_from(["onDemand", "spot"])}),
        "network": st.sampled_from(
            [
                {},
                {
                    "mode": "existing",
                    "name": "vpc",
                    "subnetwork": "nodes",
                    "proxyOnlySubnet": {"mode": "existing", "name": "proxies"},
                },
            ]
        ),
        "platform": st.fixed_dictionaries(
            {"certManager": choice, "leaderWorkerSet": choice, "kserve": choice, "monitoring": st.booleans()}
        ).map(lambda p: {**p, "kserveVersion": "0.20.0"} if p["kserve"] == "existing" else p),  # type: ignore[dict-item]
        "models": st.integers(1, 4).flatmap(lambda n: st.tuples(*(one_model(i) for i in range(n))).map(list)),
        "overrides": st.just([{"rule": "TP13", "reason": "a generated environment", "until": "2099-01-01"}]),
    }
)


# No shrinking: a breach is readable as it is, and each try runs the whole program.
@settings(
    max_examples=examples(15),
    derandomize=True,
    phases=[Phase.generate],
)
@given(data=environments)
def test_any_environment_keeps_the_order_and_has_room_for_replicas_and_updates(data: dict[str, Any]) -> None:
    plan = plan_document(Document("generated", "generated", data))
    assert breaches(plan) == []
    assert room(plan) == wanted_room(data["models"])
    services = {r.inputs["metadata"]["name"]: r.inputs["spec"] for r in of_kind(plan, "LLMInferenceService")}
    for model in plan.deployment.models:
        [main] = services[model.name]["template"]["containers"]
        assert main["resources"]["limits"]["google.com/tpu"] == str(model.shape.chips_per_host)
        assert services[model.name]["replicas"] == model.settings.replicas
    releases = {r.name for r in of_kind(plan, "Release")}
    for key, release in (("certManager", "cert-manager"), ("leaderWorkerSet", "lws"), ("kserve", "kserve")):
        installed = any(name.startswith(f"{release}-") for name in releases)
        assert installed == (data["platform"][key] == "install")
    assert any(r.type.startswith("gcp:compute/network:") for r in plan.graph.order) == (not data["network"])


def room(plan: Plan) -> Counter[tuple[str, str]]:
    """Slices the recorded pools may grow to, by generation and topology."""
    shapes = {p.name: p.shape for p in plan.deployment.pools}
    found: Counter[tuple[str, str]] = Counter()
    for pool in of_kind(plan, "NodePool"):
        if (shape := shapes.get(pool.inputs["name"])) is not None:
            nodes = pool.inputs["autoscaling"]["maxNodeCount"]
            # A pool of several hosts is one slice: more nodes would be no second one.
            assert not shape.multi_host or nodes == shape.hosts
            found[shape.generation, shape.topology] += nodes // shape.hosts
    return found


def wanted_room(models: list[dict[str, Any]]) -> Counter[tuple[str, str]]:
    """Every replica, and what Kubernetes starts in addition while a Deployment rolls: 25 %, rounded up, per model."""
    wanted: Counter[tuple[str, str]] = Counter()
    for model in models:
        shape: SliceShape | None = find_shape(model["tpu"]["generation"], model["tpu"]["topology"])
        assert shape is not None
        surge = 0 if shape.multi_host else math.ceil(model["replicas"] / 4)
        wanted[shape.generation, shape.topology] += model["replicas"] + surge
    return wanted
