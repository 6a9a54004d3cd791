"""What routes reach and what policies point at: the same key for both, so that they can be matched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from catalog.gke import ALPHA_POOL_GROUP, POOL_GROUP
from checks.objects.check import Scope
from checks.objects.resource import Resource
from checks.objects.values import get, items, mapping, text
from settings import names
from settings.refusal import Path


class Target(NamedTuple):
    """A backend: something a route can reach and a policy can be attached to."""

    namespace: str
    group: str
    kind: str
    name: str


def rules_of(resource: Resource) -> tuple[Path, list[Any]]:
    """Route rules and where they stand: of an HTTPRoute, or written into a service or a preset of KServe."""
    path: Path = ("spec", "rules")
    if resource.kind != "HTTPRoute":
        path = ("spec", "router", "route", "http", "spec", "rules")
    return path, items(resource.inputs, *path)


ROUTE_KINDS = ("HTTPRoute", "LLMInferenceService", "LLMInferenceServiceConfig")


def references_of(route: Resource) -> Iterator[tuple[Mapping[str, Any], Path]]:
    """Every backend reference of a route, with its path."""
    path, rules = rules_of(route)
    for index, rule in enumerate(rules):
        for place, reference in enumerate(items(rule, "backendRefs")):
            yield mapping(reference), (*path, index, "backendRefs", place)


def backends_of(route: Resource) -> Iterator[tuple[Target, Path]]:
    """Every backend a route reaches. The alpha group counts as the v1 one here: RT04 refuses it by itself."""
    for reference, path in references_of(route):
        kind = text(reference, "kind") or "Service"
        group = text(reference, "group")
        namespace = text(reference, "namespace") or route.namespace
        yield Target(namespace, POOL_GROUP if group == ALPHA_POOL_GROUP else group, kind, text(reference, "name")), path


def key_of(policy: Resource) -> Target:
    """What a policy is attached to."""
    reference = mapping(policy.inputs, "spec", "targetRef")
    namespace = text(reference, "namespace") or policy.namespace
    return Target(namespace, text(reference, "group"), text(reference, "kind"), text(reference, "name"))


def reachable(scope: Scope) -> dict[Target, tuple[Resource, Path]]:
    """Every backend that a route of the stack reaches, with one place that says so.

    A service whose route KServe makes reaches its pool and its workload Service.
    """
    found: dict[Target, tuple[Resource, Path]] = {}
    for route in scope.of(*ROUTE_KINDS[:2]):
        for target, path in backends_of(route):
            found.setdefault(target, (route, path))
    for service in scope.of("LLMInferenceService"):
        if is_managed(service):
            for target in own_backends(service):
                found.setdefault(target, (service, ("spec", "router", "route")))
    return found


def named_by(resource: Resource, *path: str) -> set[tuple[str, str]]:
    """(namespace, name) of what the references at a path name; the resource's own namespace where none is written."""
    found = items(resource.inputs, "spec", *path)
    return {(text(reference, "namespace") or resource.namespace, text(reference, "name")) for reference in found}


@lru_cache(maxsize=1)  # asked for by many checks of one scope
def inference_gateways(scope: Scope) -> list[Resource]:
    """The Gateways of the stack that carry models: a route to a pool, or an LLMInferenceService, refers to them."""
    named: set[tuple[str, str]] = set()
    for route in scope.of("HTTPRoute"):
        if any(target.kind == "InferencePool" for target, _ in backends_of(route)):
            named |= named_by(route, "parentRefs")
    for service in scope.of("LLMInferenceService"):
        named |= named_by(service, "router", "gateway", "refs")
    return [gateway for gateway in scope.of("Gateway") if (gateway.namespace, gateway.name) in named]


@lru_cache(maxsize=1)
def routes_of_models(scope: Scope) -> list[Resource]:
    """Routes of Gateways that carry models, routes to a pool, and what KServe makes a route of. Others are not ours."""
    gateways = {(gateway.namespace, gateway.name) for gateway in inference_gateways(scope)}

    def ours(route: Resource) -> bool:
        pool = any(target.kind == "InferencePool" for target, _ in backends_of(route))
        return route.kind != "HTTPRoute" or pool or bool(named_by(route, "parentRefs") & gateways)

    return list(filter(ours, scope.of(*ROUTE_KINDS)))


def serves_models(target: Target) -> bool:
    """True for what this program puts policies on: a pool, or the Service that KServe puts before a model's servers."""
    return target.kind in ("InferencePool", "GCPInferencePoolImport") or (
        target.kind == "Service" and target.name.endswith(names.workload_service(""))
    )


def is_managed(service: Resource) -> bool:
    """True where KServe makes the route: `router.route` is there and names no route of ours."""
    route = get(service.inputs, "spec", "router", "route")
    return isinstance(route, Mapping) and not items(route, "http", "refs")


def own_backends(service: Resource) -> list[Target]:
    """Pool (where it has a scheduler) and workload Service that KServe makes for a service."""
    name, namespace = service.name, service.namespace
    targets = [Target(namespace, "", "Service", names.workload_service(name))]
    if get(service.inputs, "spec", "router", "scheduler") is not None:
        reference = text(service.inputs, "spec", "router", "scheduler", "pool", "ref", "name")
        targets.append(Target(namespace, POOL_GROUP, "InferencePool", reference or names.inference_pool(name)))
    return targets
