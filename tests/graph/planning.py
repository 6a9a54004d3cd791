"""Environments and examples, each planned once a process."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from checks.environment import require
from serving.plan.graph import Graph
from serving.plan.plan import Plan
from serving.program.record import Resource, record
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
