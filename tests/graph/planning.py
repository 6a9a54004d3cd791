"""Environments and examples, each planned once a process."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from checks.environment import require
from serving.plan.graph import Graph
from serving.plan.plan import Plan
from serving.plan.record import Resource, record
from settings.document import ROOT, Document, read_document

ENVIRONMENTS = sorted(str(p.relative_to(ROOT)) for p in [*ROOT.glob("Pulumi.*.yaml"), *ROOT.glob("examples/*.yaml")])


def plan_document(document: Document) -> Plan:
    """A plan of a document."""
    deployment, findings = require(document)
    return Plan(deployment, Graph(record(document)), findings)


@cache
def planned(name: str) -> Plan:
    """The plan of an environment file, by its path from the root."""
    return plan_document(read_document(ROOT / Path(name)))


def kind(resource: Resource) -> str:
    """The last part of a type token."""
    return resource.type.rsplit(":", 1)[-1]


def of_kind(plan: Plan, *kinds: str) -> list[Resource]:
    """Resources of these kinds."""
    return [r for r in plan.graph.resources.values() if kind(r) in kinds]


def broken_order(plan: Plan) -> list[str]:
    """Pairs that would be deleted in the wrong order: `later` must depend on `earlier`, so that it goes first."""
    graph = plan.graph
    first = {
        "LLMInferenceService": ["Release", "Gateway", "HTTPRoute", "NodePool", "Cluster", "Job", "ServiceAccount"],
        "HTTPRoute": ["Gateway", "Cluster"],
        "HealthCheckPolicy": ["Gateway", "Cluster"],
        "GCPBackendPolicy": ["Gateway", "Cluster"],
        "Gateway": ["Cluster", "Job"],
        "Release": ["Cluster"],
        "Job": ["Cluster"],
        "NodePool": ["Cluster"],
    }
    problems = []
    for later_kind, earlier_kinds in first.items():
        for later in of_kind(plan, later_kind):
            needs = graph.needs(later.urn)
            for earlier in of_kind(plan, *earlier_kinds):
                mine = later_kind != "LLMInferenceService" or belongs(later, earlier)
                if mine and earlier.urn not in needs and earlier.urn != later.urn:
                    problems.append(f"{later.name} does not wait for {earlier.name}")
    return problems


def belongs(model: Resource, other: Resource) -> bool:
    """Whether a model has anything to do with a resource that models have one each of."""
    name = model.inputs["metadata"]["name"]
    if kind(other) == "HTTPRoute":
        return bool(other.inputs["metadata"]["name"] == f"{name}-route")
    if kind(other) == "ServiceAccount":
        return bool(other.inputs.get("metadata", {}).get("name") == f"{name}-server")
    if kind(other) == "NodePool" and other.name != "cluster-cpu-pool":
        selector = model.inputs["spec"]["template"]["nodeSelector"]
        return selector["cloud.google.com/gke-tpu-topology"] in other.name
    return True
