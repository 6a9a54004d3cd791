"""What a rule on objects is: a function over one resource, or over all of them together, under the rule's id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from checks.objects.resource import Resource
from checks.objects.values import UnknownValueError
from checks.registry import register
from checks.shared import clock
from checks.shared.overrides import in_force
from settings import names
from settings.derive import Deployment
from settings.environment import Override
from settings.gateway import Waiver
from settings.refusal import Finding, Path


class Found(NamedTuple):
    """What a rule's function says; the rule's id, level and source are put to it by `Check`."""

    resource: Resource
    path: Path
    value: Any
    message: str
    fix: str


@dataclass(frozen=True)
class Context:
    """What is known beside the resources. Without it, rules refuse what is wrong in any case.

    Attributes:
        accepted: rules of level O that are set aside in writing.
        answer_seconds: longest answer by name of the InferencePool.
        startup_seconds: startup budget by name of the model.
    """

    accepted: frozenset[str] = frozenset()
    answer_seconds: Mapping[str, int] = field(default_factory=dict)
    startup_seconds: Mapping[str, int] = field(default_factory=dict)


def accepted_rules(overrides: Iterable[Override], waiver: Waiver | None) -> frozenset[str]:
    """Rules of level O that an override, or the waiver for GW03, sets aside today."""
    accepted = in_force(overrides)
    return accepted | {"GW03"} if waiver is not None and clock.holds(waiver.until) else accepted


def context_of(deployment: Deployment) -> Context:
    """The context of an environment: its valid overrides and its models' limits."""
    return Context(
        accepted_rules(deployment.settings.overrides, deployment.settings.gateway.waiver),
        {names.inference_pool(m.name): m.answer_seconds for m in deployment.models},
        {m.name: m.startup_budget_seconds for m in deployment.models},
    )


@dataclass(frozen=True, eq=False)
class Scope:
    """The resources a check looks at.

    Attributes:
        whole: all of a stack, so that what is missing can be said.
        judged: its Kubernetes objects were judged before they were registered; what is left is what the graph says.
    """

    resources: Sequence[Resource]
    whole: bool
    context: Context = field(default_factory=Context)
    judged: bool = False

    @cached_property
    def _by_kind(self) -> dict[str, list[Resource]]:
        found: dict[str, list[Resource]] = {}
        for resource in self.resources:
            found.setdefault(resource.kind, []).append(resource)
        return found

    @cached_property
    def _places(self) -> dict[str, int]:
        return {resource.key: index for index, resource in enumerate(self.resources)}

    def of(self, *kinds: str) -> list[Resource]:
        """Resources of these kinds, in the order of the list."""
        return [resource for kind in kinds for resource in self._by_kind.get(kind, [])]

    def comes_before(self, earlier: Resource, later: Resource) -> bool:
        """True if `earlier` is there when `later` is made: by dependency where known, by the list's order otherwise."""
        if later.needs is not None:
            return earlier.key in later.needs.of(later.key)
        return self._places[earlier.key] < self._places[later.key]


OnOne = Callable[[Resource, Context], Iterator[Found]]
OnAll = Callable[[Scope], Iterator[Found]]


@dataclass(frozen=True)
class Check:
    """One implementation of a rule.

    Attributes:
        kinds: those of its resources; empty where it looks at the whole stack.
        graph: it asks for what Kubernetes objects do not say: order, time limits, charts, Google's resources.
    """

    rule: str
    kinds: tuple[str, ...] = ()
    on_one: OnOne | None = None
    on_all: OnAll | None = None
    graph: bool = False

    def __call__(self, scope: Scope) -> Iterator[Finding]:
        """The findings in a scope."""
        return map(self.finding, self.found(scope))

    def found(self, scope: Scope) -> Iterator[Found]:
        """What its function says; a value that is not known yet ends the judgement it was needed for."""
        if self.on_one is not None:
            for resource in scope.of(*self.kinds) if self.kinds else scope.resources:
                if scope.judged and resource.is_object and not self.graph:
                    continue
                with suppress(UnknownValueError):
                    yield from self.on_one(resource, scope.context)
        if self.on_all is not None and scope.whole and (self.graph or not scope.judged):
            with suppress(UnknownValueError):
                yield from self.on_all(scope)

    def applies_to(self, kind: str) -> bool:
        """Whether it has something to say of a single resource of this kind."""
        return self.on_one is not None and (not self.kinds or kind in self.kinds)

    def finding(self, found: Found) -> Finding:
        """What was found, under the rule's id."""
        return Finding(self.rule, found.resource.place(found.path), found.value, found.message, found.fix)


def on_each(rule: str, *kinds: str, graph: bool = False) -> Callable[[OnOne], Check]:
    """Makes a check of a function over one resource of these kinds (of any kind, where none is named)."""
    return lambda function: register(Check(rule, kinds, on_one=function, graph=graph))


def on_whole(rule: str, *, graph: bool = False) -> Callable[[OnAll], Check]:
    """Makes a check of a function over all resources of a stack."""
    return lambda function: register(Check(rule, on_all=function, graph=graph))
