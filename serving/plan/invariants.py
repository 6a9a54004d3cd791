"""What the rules say of the recorded resources: the same judgement that a policy pack gives of any stack."""

from __future__ import annotations

import re

from checks.objects import Resource, context_of, on_stack
from checks.objects.values import with_unknowns
from serving.plan.graph import Graph
from serving.program.record import SECRET, UNKNOWN
from settings.derive import Deployment
from settings.refusal import Finding

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}


def findings(deployment: Deployment, graph: Graph) -> list[Finding]:
    """Refusals and warnings on each resource and on all of them together."""
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
    return on_stack(resources, context_of(deployment))


def seconds(duration: str) -> float:
    """`1h30m`, as the engine writes durations, in seconds; 0 where nothing is written."""
    return sum(float(count) * _UNITS[unit] for count, unit in re.findall(r"(\d+(?:\.\d+)?)([hms])", duration))
