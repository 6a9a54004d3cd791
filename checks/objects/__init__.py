"""Rules on rendered objects and on resources, also on those made outside our components.

`REGISTRY` holds every implementation by the rule's id. `on_resource` judges one resource, `on_objects` a list of
Kubernetes objects in the order in which they are applied, `on_stack` all resources of a stack with their dependencies,
`on_graph` what such a stack says beyond its objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from checks.objects import (  # noqa: F401 - a rule is known once its module is imported
    authorization,
    clusters,
    gateways,
    node_pools,
    policies,
    releases,
    routes,
    scalers,
    servers,
    services,
)
from checks.objects.check import Check, Context, Scope, context_of
from checks.objects.resource import Resource, resource_of
from checks.registry import implementations
from settings.refusal import Finding, RefusedError, explain, refusals


def _registry(checks: Iterable[Check]) -> dict[str, tuple[Check, ...]]:
    found: dict[str, tuple[Check, ...]] = {}
    for check in checks:
        found[check.rule] = (*found.get(check.rule, ()), check)
    return dict(sorted(found.items()))


REGISTRY: dict[str, tuple[Check, ...]] = _registry(implementations(Check))


def on_stack(resources: Sequence[Resource], context: Context | None = None) -> list[Finding]:
    """Every finding of every rule, on each resource and on all of them together."""
    return _run(Scope(resources, True, context or Context()))


def on_graph(resources: Sequence[Resource], context: Context) -> list[Finding]:
    """As `on_stack`, of a stack whose program let `require_objects` judge its Kubernetes objects before it registered them."""
    return _run(Scope(resources, True, context, judged=True))


def on_objects(objects: Sequence[Mapping[str, Any]], *, context: Context | None = None) -> list[Finding]:
    """As `on_stack`, of Kubernetes objects in the order in which they are applied."""
    return on_stack([resource_of(obj, str(index)) for index, obj in enumerate(objects)], context)


def on_resource(type_token: str, inputs: Mapping[str, Any], *, context: Context | None = None) -> list[Finding]:
    """What is wrong with one resource in any stack: a Kubernetes object, a Helm release, a Google Cloud resource."""
    return _run(Scope([Resource(type_token, inputs)], False, context or Context()))


def require_objects(objects: Sequence[Mapping[str, Any]], context: Context, origin: str) -> None:
    """Let the objects pass.

    Raises:
        RefusedError: with every refusal at once.
    """
    findings = on_objects(objects, context=context)
    if refusals(findings):
        raise RefusedError(findings, origin)


def _run(scope: Scope) -> list[Finding]:
    found = [finding for checks in REGISTRY.values() for check in checks for finding in check(scope)]
    return [explain(finding) for finding in found]


__all__ = [
    "REGISTRY",
    "Check",
    "Context",
    "Resource",
    "context_of",
    "on_graph",
    "on_objects",
    "on_resource",
    "on_stack",
]
