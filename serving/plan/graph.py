"""What a recording means: order, critical path, what is deleted before what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from checks.objects.dependencies import Dependencies
from serving.program.record import Recording, Resource


@dataclass
class Graph:
    """The recorded graph with its dependencies resolved to resources the engine really creates."""

    recording: Recording

    @cached_property
    def everything(self) -> dict[str, Resource]:
        """All registrations by URN."""
        return self.recording.by_urn()

    @cached_property
    def resources(self) -> dict[str, Resource]:
        """Custom resources by URN, providers and components left out."""
        return {r.urn: r for r in self.recording.resources if r.custom and not r.type.startswith("pulumi:providers:")}

    @cached_property
    def dependencies(self) -> dict[str, set[str]]:
        """Direct dependencies of each resource. A resource needs what its provider needs."""
        everything = self.everything
        children: dict[str | None, list[str]] = {}
        for other in everything.values():
            children.setdefault(other.parent, []).append(other.urn)
        known: dict[str, frozenset[str]] = {}

        def meant_by(urn: str) -> frozenset[str]:
            """The resources that a dependency on this one, or on this component, waits for."""
            if urn in self.resources:
                return frozenset({urn})
            if urn not in everything:
                return frozenset()
            if urn not in known:
                known[urn] = frozenset()  # while it is followed
                parts = [*everything[urn].depends_on, *(() if everything[urn].custom else children.get(urn, ()))]
                known[urn] = frozenset().union(*map(meant_by, parts))
            return known[urn]

        direct: dict[str, set[str]] = {}
        for urn, resource in self.resources.items():
            named = [*resource.depends_on, *([resource.provider] if resource.provider else [])]
            direct[urn] = set().union(*map(meant_by, named)) - {urn}
        return direct

    @cached_property
    def levels(self) -> dict[str, int]:
        """How many steps must come before a resource at least: 0 for one that needs nothing."""
        levels: dict[str, int] = {}

        def visit(urn: str) -> int:
            if urn not in levels:
                levels[urn] = max((visit(other) + 1 for other in self.dependencies[urn]), default=0)
            return levels[urn]

        for urn in self.resources:
            visit(urn)
        return levels

    @cached_property
    def order(self) -> list[Resource]:
        """Creation order: every resource after what it needs; the same in every run, whoever registered first."""
        return sorted(self.resources.values(), key=lambda r: (self.levels[r.urn], r.urn))

    @cached_property
    def tree(self) -> list[Resource]:
        """All registrations in an order for reading: a component stands where its first resource does."""
        first: dict[str, int] = dict(self.levels)
        everything = self.everything
        for urn, level in self.levels.items():
            at = everything[urn].parent
            while at in everything:
                first[at] = min(first.get(at, level), level)
                at = everything[at].parent
        return sorted(self.recording.resources, key=lambda r: (first.get(r.urn, 0), r.urn))

    @cached_property
    def before(self) -> Dependencies:
        """Who comes before whom, directly or not."""
        return Dependencies(self.dependencies)

    def critical_path(self, cost: Callable[[Resource], float]) -> tuple[float, float, list[Resource]]:
        """(seconds of the longest chain, sum of all steps, the chain); `cost` is what a resource takes, in seconds."""
        finish: dict[str, float] = {}
        before: dict[str, str | None] = {}
        for resource in self.order:
            last = max(self.dependencies[resource.urn], key=lambda u: finish[u], default=None)
            before[resource.urn] = last
            finish[resource.urn] = cost(resource) + (finish[last] if last else 0)
        if not finish:
            return 0, 0, []
        at: str | None = max(finish, key=lambda u: finish[u])
        longest = finish[at] if at else 0
        chain: list[Resource] = []
        while at is not None:
            chain.append(self.resources[at])
            at = before[at]
        return longest, sum(cost(r) for r in self.order), chain[::-1]
