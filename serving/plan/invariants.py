"""What the rules say of the recorded resources, beyond what the program let them say of its objects (ADR 56)."""

from __future__ import annotations

import re

from checks.objects import Resource, context_of, on_graph
from checks.objects.values import with_unknowns
from serving.plan.graph import Graph
from serving.program.record import SECRET, UNKNOWN
from settings.derive import Deployment
from settings.refusal import Finding

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}


def findings(deployment: Deployment, graph: Graph) -> list[Finding]:
    """Refusals and warnings of order, time limits, charts and Google's resources."""
    resources = [
        Resource(
            r.type,
            with_unknowns(r.inputs, (UNKNOWN, SECRET)),
            r.urn,
            r.name,
            graph.before,
            seconds(r.timeouts.get("create", "")),
        )
        for r in graph.order
    ]
    return on_graph(resources, context_of(deployment))


def seconds(duration: str) -> float:
    """`1h30m`, as the engine writes durations, in seconds; 0 where nothing is written."""
    return sum(float(count) * _UNITS[unit] for count, unit in re.findall(r"(\d+(?:\.\d+)?)([hms])", duration))
