"""The plan's estimate of each kind of resource, under the names that a record uses."""

from __future__ import annotations

from collections.abc import Iterable

from serving.acceptance.pulumi_cli import ResourceTime
from serving.acceptance.record import Timing
from serving.plan.plan import Plan
from serving.program.record import Resource

_RELEASE = "kubernetes:helm.sh/v3:Release"
_JOB = "kubernetes:batch/v1:Job"
# What is done sooner says nothing.
_SHORTEST_SECONDS = 5.0


def label(resource: Resource) -> str:
    """The kind; a chart or Job of ours by its name, since each takes its own time. No name that a user chose."""
    kind = resource.type.rpartition(":")[2]
    if resource.type == _RELEASE:
        return f"{kind} {resource.inputs.get('name', '')}".strip()
    return f"{kind} {resource.inputs['metadata']['name']}" if resource.type == _JOB else kind


def estimates(plan: Plan) -> dict[str, float]:
    """Label -> seconds of the slowest resource."""
    found: dict[str, float] = {}
    for resource in plan.graph.resources.values():
        name = label(resource)
        found[name] = max(found.get(name, 0.0), plan.seconds(resource))
    return found


def up_seconds(plan: Plan) -> tuple[float, float]:
    """Of the whole `up`, as the plan prints it: about, and with everything as slow as reported."""
    longest, _, _ = plan.time
    return longest, plan.slowest


def timings(plan: Plan, took: Iterable[ResourceTime]) -> tuple[Timing, ...]:
    """What a run took by kind, the slowest first, beside the estimates."""
    labels = {(r.type, r.name): label(r) for r in plan.graph.resources.values()}
    took = tuple(took)
    # Deleting is nothing that the plan has an estimate for.
    expected = estimates(plan) if any("create" in one.operation for one in took) else {}
    found: dict[str, list[float]] = {}
    for one in took:
        if (name := labels.get((one.type, one.name))) is not None:
            found.setdefault(name, []).append(one.seconds)
    made = (
        Timing(resource=name, count=len(seconds), seconds=max(seconds), estimate_seconds=expected.get(name))
        for name, seconds in found.items()
    )
    said = (t for t in made if max(t.seconds, t.estimate_seconds or 0.0) >= _SHORTEST_SECONDS)
    return tuple(sorted(said, key=lambda t: (-t.seconds, t.resource)))
