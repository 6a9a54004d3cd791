"""Deletion runs against the dependencies: what an object still needs to go cleanly must be among what it depends on."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from catalog.gke import facts
from serving.plan.plan import Plan
from serving.plan.record import Resource
from tests.graph.planning import ENVIRONMENTS, kind, of_kind, planned

MODEL, CPU_POOL = "LLMInferenceService", "cluster-cpu-pool"
# GKE's Gateway controller takes the load balancer apart only while these are deleted one by one.
BY_THE_GATEWAY_CONTROLLER = ("Gateway", "HTTPRoute", "HealthCheckPolicy", "GCPBackendPolicy", "GCPGatewayPolicy")

every = pytest.mark.parametrize("name", ENVIRONMENTS)


@cache
def needs(name: str) -> dict[str, set[str]]:
    """Names of everything that each resource of an environment depends on, by its name."""
    graph = planned(name).graph
    return {r.name: {graph.resources[u].name for u in graph.needs(r.urn)} for r in graph.order}


def names_of(plan: Plan, *kinds: str) -> set[str]:
    return {r.name for r in of_kind(plan, *kinds)}


def namespaced(plan: Plan) -> Iterator[tuple[Resource, str]]:
    """Everything that lies in a namespace, and which: releases say it beside their chart."""
    for r in plan.graph.order:
        where = r.inputs.get("namespace") if kind(r) == "Release" else (r.inputs.get("metadata") or {}).get("namespace")
        if r.type.startswith("kubernetes:") and where:
            yield r, where


@every
def test_a_model_goes_before_every_controller_it_is_made_of(name: str) -> None:
    plan = planned(name)
    releases = names_of(plan, "Release")
    for model in names_of(plan, MODEL):
        assert releases <= needs(name)[model]
        assert names_of(plan, "Job", "Cluster", "Gateway") | {CPU_POOL} <= needs(name)[model]


@every
def test_a_model_goes_before_each_pool_of_its_slice(name: str) -> None:
    plan = planned(name)
    for model in plan.deployment.models:
        pools = {f"{p.name}-pool" for p in plan.deployment.pools if p.shape == model.shape}
        assert pools
        assert pools <= needs(name)[f"model-{model.name}-service"]


@every
def test_a_model_goes_before_its_own_route_and_policies_and_waits_for_no_other_model(name: str) -> None:
    plan = planned(name)
    for model in plan.deployment.models:
        mine = needs(name)[f"model-{model.name}-service"]
        assert f"model-{model.name}-route" in mine
        own = {f"{model.name}-{b}-policy-{p}" for b in ("pool", "service") for p in ("backend", "health-check")}
        assert own <= mine
        others = [m.name for m in plan.deployment.models if m.name != model.name]
        assert not [n for n in mine for other in others if n.startswith((f"model-{other}-", f"{other}-"))]


@every
def test_load_balancer_parts_go_before_their_controller_and_the_proxy_only_subnet(name: str) -> None:
    plan = planned(name)
    below = {r.name for r in of_kind(plan, "Subnetwork", "Cluster", "Job", "Address", "Network")} | {CPU_POOL}
    for part in names_of(plan, *BY_THE_GATEWAY_CONTROLLER):
        assert below <= needs(name)[part], part


@every
def test_routes_and_policies_go_before_the_gateway(name: str) -> None:
    plan = planned(name)
    for part in names_of(plan, *BY_THE_GATEWAY_CONTROLLER[1:]):
        assert "gateway-object" in needs(name)[part], part


@every
def test_kserve_goes_from_presets_to_crds_and_before_what_it_watches(name: str) -> None:
    order = [n for n in ("kserve-presets", "kserve-controller", "kserve-crds") if n in needs(name)]
    assert len(order) in (0, 3)
    for later, earlier in zip(order, order[1:]):
        assert earlier in needs(name)[later]
    if order:
        assert {n for n in needs(name) if n in ("lws-release", "cert-manager-release", "kserve-issuer")} <= needs(name)[
            "kserve-controller"
        ]


@every
def test_no_namespace_goes_before_what_is_in_it(name: str) -> None:
    plan = planned(name)
    ours = {r.inputs["metadata"]["name"]: r.name for r in of_kind(plan, "Namespace")}
    for r, where in namespaced(plan):
        assert where in ours, f"{r.name} lies in {where}, which nobody makes"
        assert ours[where] in needs(name)[r.name], r.name


@every
def test_nodes_keep_their_way_out_and_webhooks_their_firewall_rule_to_the_end(name: str) -> None:
    plan = planned(name)
    for pool in names_of(plan, "NodePool"):
        assert names_of(plan, "RouterNat", "IAMMember") <= needs(name)[pool]
    for release in names_of(plan, "Release") - {"kserve-crds"}:
        assert names_of(plan, "Firewall") | {CPU_POOL} <= needs(name)[release], release


@every
def test_kinds_that_gke_brings_late_wait_for_the_gate(name: str) -> None:
    awaited = {crd.split(".", 1)[1] for crd in facts()["crds"]}
    for r in planned(name).graph.order:
        if r.inputs.get("apiVersion", "").split("/")[0] in awaited:
            assert "gate-job" in needs(name)[r.name], r.name


@every
def test_of_all_custom_resources_only_models_are_awaited(name: str) -> None:
    waited = [
        kind(r)
        for r in planned(name).graph.order
        if "pulumi.com/waitFor" in ((r.inputs.get("metadata") or {}).get("annotations") or {})
    ]
    assert set(waited) == {MODEL}
    assert len(waited) == len(planned(name).deployment.models)


@every
def test_nothing_on_kubernetes_is_protected_or_skipped_in_a_deletion(name: str) -> None:
    for r in planned(name).graph.resources.values():
        if r.type.startswith("kubernetes:"):
            assert not r.deleted_with, r.name
            assert not r.protect, r.name
