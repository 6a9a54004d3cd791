"""What the rules say of the recorded resources, beyond what the program let them say of its objects (ADR 56)."""

from __future__ import annotations

from checks.objects import Resource, context_of, on_graph
from checks.objects.values import with_unknowns
from serving.plan.graph import Graph
from serving.program.record import SECRET, UNKNOWN
from settings.derive import Deployment
from settings.refusal import Finding
from settings.text import parse_duration


def findings(deployment: Deployment, graph: Graph) -> list[Finding]:
    """Refusals and warnings of order, time limits, charts and Google's resources."""
    resources = [
        Resource(
            r.type,
            with_unknowns(r.inputs, (UNKNOWN, SECRET)),
            r.urn,
            r.name,
            graph.before,
            parse_duration(r.timeouts.get("create", "0")),
        )
        for r in graph.order
    ]
    return on_graph(resources, context_of(deployment))
