"""The example of another team's program, planned: what it registers breaks no rule, and each part has what it needs."""

from __future__ import annotations

import runpy

from checks.objects import Resource, on_resource, on_stack
from checks.objects.values import with_unknowns
from serving.plan.graph import Graph
from serving.program.record import SECRET, UNKNOWN, record_program
from settings.document import ROOT
from settings.refusal import refusals

EXAMPLE = ROOT / "examples/own-program"
CONFIG = {"own-program:project": "example-project", "own-program:zone": "europe-west4-a"}


def planned() -> Graph:
    program = runpy.run_path(str(EXAMPLE / "program.py"))["program"]
    return Graph(record_program(program, "own-program", "dev", CONFIG))


def test_what_another_team_registers_with_three_of_our_components_breaks_no_rule() -> None:
    graph = planned()
    marks = (UNKNOWN, SECRET)
    found = on_stack(
        [Resource(r.type, with_unknowns(r.inputs, marks), r.urn, r.name, graph.before) for r in graph.order]
    )
    assert refusals(found) == []
    # Were nothing of it looked at, nothing could be refused.
    [pool] = [r for r in graph.order if r.name == "tpu-v6e-2x2-pool"]
    surging = {**pool.inputs, "upgradeSettings": {"strategy": "SURGE", "maxSurge": 1, "maxUnavailable": 0}}
    assert "TP07" in {f.rule for f in on_resource(pool.type, surging)}


def test_each_part_gets_the_providers_of_the_other_program_and_waits_for_what_it_needs() -> None:
    graph = planned()
    everything = graph.everything
    at = {r.name: r for r in graph.order}
    ours = {"tpu-v6e-2x2-pool", "gateway-namespace", "gateway-object", "reranker-policy-health-check"}
    for name in ours:
        package = "gcp" if at[name].type.startswith("gcp:") else "kubernetes"
        assert everything[at[name].provider or ""].type == f"pulumi:providers:{package}", name
    assert {at["cluster"].urn, at["role"].urn} <= graph.before.of(at["tpu-v6e-2x2-pool"].urn)
    assert {at["proxies"].urn, at["gateway-namespace"].urn} <= graph.before.of(at["gateway-object"].urn)
    assert at["reranker-policy-health-check"].urn in graph.before.of(at["route"].urn)
    assert at["tpu-v6e-2x2-pool"].inputs["nodeConfig"]["spot"] is True
    check = at["reranker-policy-health-check"].inputs["spec"]["default"]["config"]["httpHealthCheck"]
    assert (check["port"], check["requestPath"]) == (8080, "/ready")
