"""Rules on routes, also on those written into a service of KServe (RT01 to RT06, GW09, GW10)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from catalog.gke import ALPHA_POOL_GROUP, POOL_GROUP, parse_gke_version
from checks.objects.backends import (
    ROUTE_KINDS,
    backends_of,
    is_managed,
    own_backends,
    references_of,
    routes_of_models,
    rules_of,
)
from checks.objects.check import Context, Found, Scope, on_each, on_whole
from checks.objects.resource import CLUSTER, Resource
from checks.objects.values import get, items, mapping, text
from settings import names
from settings.refusal import Path

# The Gateway API's own limits (CRD of HTTPRoute).
MAX_RULES, MAX_MATCHES = 16, 128
_STATUS_CODES = (301, 302)
# Preview on both regional classes since 2026-07-28, with Gateway API 1.5 (GKE release notes).
_CORS_VERSION = "1.35.2-gke.1842000"


@on_whole("RT01")
def no_timeouts(scope: Scope) -> Iterator[Found]:
    """No rule has a time limit; a route that KServe makes has one on every rule."""
    for route in routes_of_models(scope):
        path, rules = rules_of(route)
        for index, rule in enumerate(rules):
            if get(rule, "timeouts") is not None:
                yield Found(
                    route,
                    (*path, index, "timeouts"),
                    get(rule, "timeouts"),
                    "GKE rejects timeouts in routes (GWCER104).",
                    "Remove timeouts; set spec.default.timeoutSec in the pool's GCPBackendPolicy.",
                )
        if route.kind == "LLMInferenceService" and is_managed(route) and not rules:
            yield Found(
                route,
                ("spec", "router", "route"),
                get(route.inputs, "spec", "router", "route"),
                "The route that KServe makes has timeouts on every rule.",
                "Write an HTTPRoute of your own and name it: route: {http: {refs: [{name: <route>}]}}.",
            )


@on_whole("RT02", graph=True)
def cors_filter(scope: Scope) -> Iterator[Found]:
    """The CORS filter needs a cluster that is new enough, and stands beside no redirect."""
    floor = parse_gke_version(_CORS_VERSION)
    versions = [parse_gke_version(text(c.inputs, "minMasterVersion")) for c in scope.of(CLUSTER)]
    too_old = any(version is not None and floor is not None and version < floor for version in versions)
    for route in routes_of_models(scope):
        path, rules = rules_of(route)
        for index, rule in enumerate(rules):
            kinds = [text(item, "type") for item in items(rule, "filters")]
            if "CORS" in kinds and (too_old or "RequestRedirect" in kinds):
                at = (*path, index, "filters", kinds.index("CORS"), "type")
                said = f"GKE supports the CORS filter from {_CORS_VERSION} on, and not beside a redirect."
                yield Found(route, at, "CORS", said, "Remove the CORS filter, or raise the cluster's version.")


@on_whole("RT02")
def supported_features(scope: Scope) -> Iterator[Found]:
    """Nothing that GKE's conformance reports list as unsupported."""
    for route in routes_of_models(scope):
        path, rules = rules_of(route)
        for index, rule in enumerate(rules):
            for where, value, what in _unsupported(rule):
                fix = f"Remove {'.'.join(str(p) for p in where if isinstance(p, str))}."
                yield Found(route, (*path, index, *where), value, f"GKE does not support {what}.", fix)
        for index, parent in enumerate(items(route.inputs, "spec", "parentRefs")):
            if get(parent, "port") is not None:
                at, fix = ("spec", "parentRefs", index, "port"), "Write sectionName."
                yield Found(route, at, get(parent, "port"), "GKE does not support port in parentRefs.", fix)


def _unsupported(rule: Any) -> Iterator[tuple[Path, Any, str]]:
    for key, what in (("retry", "retry"), ("name", "rule names"), ("sessionPersistence", "session persistence")):
        if get(rule, key) is not None:
            yield (key,), get(rule, key), what
    for index, match in enumerate(items(rule, "matches")):
        if get(match, "method") is not None:
            yield ("matches", index, "method"), get(match, "method"), "match by method"
        value = text(match, "path", "value")
        if text(match, "path", "type") == "RegularExpression" or value[:1] not in {"", "/"}:
            yield ("matches", index, "path"), value, "regular-expression path"
    mirrors = 0
    for index, item in enumerate(items(rule, "filters")):
        mirrors += text(item, "type") == "RequestMirror"
        yield from _unsupported_filter(item, ("filters", index))
        if mirrors > 1 and text(item, "type") == "RequestMirror":
            yield ("filters", index), "RequestMirror", "second mirror"
    for index, backend in enumerate(items(rule, "backendRefs")):
        if items(backend, "filters"):
            yield ("backendRefs", index, "filters"), items(backend, "filters"), "filters at a backend"


def _unsupported_filter(item: Any, at: Path) -> Iterator[tuple[Path, Any, str]]:
    for block in ("urlRewrite", "requestRedirect"):
        if text(item, block, "path", "type") == "ReplaceFullPath":
            yield (*at, block, "path", "type"), "ReplaceFullPath", "ReplaceFullPath"
    code = get(item, "requestRedirect", "statusCode")
    if code is not None and code not in _STATUS_CODES:
        yield (*at, "requestRedirect", "statusCode"), code, f"redirect with status {code}"


@on_whole("KS13")
def scheduler_has_a_route(scope: Scope) -> Iterator[Found]:
    """A service with a scheduler has a route: of its own, or, where it names no Gateway, one of the stack to its pool."""
    reached = {target for route in scope.of("HTTPRoute") for target, _ in backends_of(route)}
    pools = {target for target in reached if target.kind == "InferencePool"}
    for service in scope.of("LLMInferenceService"):
        router = mapping(service.inputs, "spec", "router")
        if get(router, "scheduler") is None or get(router, "route") is not None:
            continue
        if items(router, "gateway", "refs") or not pools & set(own_backends(service)):
            said = "It has a scheduler and no route; KServe waits for one and never says Ready."
            fix = "Write an HTTPRoute and name it: route: {http: {refs: [{name: <route>}]}}."
            yield Found(service, ("spec", "router", "route"), None, said, fix)


@on_each("RT03", "HTTPRoute")
def name_of_our_own(route: Resource, _: Context) -> Iterator[Found]:
    """The name is not one under which KServe deletes routes."""
    if route.name.endswith(names.kserve_route("")):
        model = route.name.removesuffix(names.kserve_route(""))
        yield Found(
            route,
            ("metadata", "name"),
            route.name,
            f"KServe deletes the route of this name when {model} refers to another.",
            f"Write name: {names.route(model)}.",
        )


@on_each("RT04", *ROUTE_KINDS, "InferencePool")
def pool_of_the_v1_group(resource: Resource, _: Context) -> Iterator[Found]:
    """Pools are of the group that GKE serves."""
    if resource.kind == "InferencePool":
        if resource.group == ALPHA_POOL_GROUP:
            at, value = ("apiVersion",), f"{resource.group}/{resource.api_version}"
            yield Found(resource, at, value, "GKE never serves the alpha group.", f"Write apiVersion: {POOL_GROUP}/v1.")
        return
    for reference, path in references_of(resource):
        group = text(reference, "group")
        if text(reference, "kind") == "InferencePool" and group != POOL_GROUP:
            said = (
                "GKE never serves the alpha group." if group == ALPHA_POOL_GROUP else "No InferencePool has this group."
            )
            yield Found(resource, (*path, "group"), group, said, f"Write group: {POOL_GROUP}.")


@on_each("RT05", *ROUTE_KINDS)
def within_the_limits(route: Resource, _: Context) -> Iterator[Found]:
    """At most 16 rules and 128 matches."""
    path, rules = rules_of(route)
    matches = sum(max(1, len(items(rule, "matches"))) for rule in rules)
    for count, most, what in ((len(rules), MAX_RULES, "rules"), (matches, MAX_MATCHES, "matches")):
        if count > most:
            fix = f"Split it into routes of at most {most} {what}."
            yield Found(route, path, count, f"A route has at most {most} {what}, this one {count}.", fix)


@on_whole("RT06")
def no_path_twice(scope: Scope) -> Iterator[Found]:
    """No two routes at one listener match the same requests, and no two services serve the same name."""
    seen: dict[tuple[Any, ...], Resource] = {}
    for route in scope.of("HTTPRoute"):
        path, rules = rules_of(route)
        for index, rule in enumerate(rules):
            for place, match in enumerate(items(rule, "matches") or [{}]):
                for where in _attached(route):
                    first = seen.setdefault((*where, *_condition(match)), route)
                    if first is not route:
                        at: Path = (*path, index, "matches", place, "path")
                        value = text(match, "path", "value") or "/"
                        said = f"{first.label} takes {value} already."
                        yield Found(route, at, value, said, "Give each model a path of its own.")
    served: dict[tuple[str, str], Resource] = {}
    for service in scope.of("LLMInferenceService"):
        name = text(service.inputs, "spec", "model", "name") or service.name
        first = served.setdefault((service.namespace, name), service)
        if first is not service:
            at = ("spec", "model", "name")
            yield Found(
                service, at, name, f"{first.label} serves {name} already.", "Give each model a name of its own."
            )


def _attached(route: Resource) -> Iterator[tuple[str, ...]]:
    hosts = [h for h in items(route.inputs, "spec", "hostnames") if isinstance(h, str)] or ["*"]
    for parent in items(route.inputs, "spec", "parentRefs"):
        gateway = (text(parent, "namespace") or route.namespace, text(parent, "name"), text(parent, "sectionName"))
        for host in hosts:
            yield (*gateway, host)


def _condition(match: Any) -> tuple[str, ...]:
    kind, value = text(match, "path", "type") or "PathPrefix", text(match, "path", "value") or "/"
    rest = {key: inner for key, inner in mapping(match).items() if key != "path"}
    return kind, value.rstrip("/") or "/", repr(sorted(rest.items()))


@on_each("GW09", *ROUTE_KINDS)
def redirect_by_scheme(route: Resource, _: Context) -> Iterator[Found]:
    """A redirect to https has a scheme and no port."""
    path, rules = rules_of(route)
    for index, rule in enumerate(rules):
        for place, item in enumerate(items(rule, "filters")):
            redirect = get(item, "requestRedirect")
            if text(item, "type") != "RequestRedirect" or not isinstance(redirect, Mapping):
                continue
            at = (*path, index, "filters", place, "requestRedirect")
            if get(redirect, "port") is not None:
                yield Found(
                    route, (*at, "port"), get(redirect, "port"), "GKE rejects a redirect to a port.", "Remove port."
                )
            if not any(get(redirect, key) is not None for key in ("scheme", "hostname", "path")):
                yield Found(route, at, dict(redirect), "It redirects to itself.", "Write scheme: https.")


@on_each("GW10", "HTTPRoute", "LLMInferenceService", "HealthCheckPolicy", "GCPBackendPolicy", "GCPGatewayPolicy")
def one_namespace(resource: Resource, _: Context) -> Iterator[Found]:
    """Gateway, routes, pools and policies of the models share a namespace."""
    for path, namespace in _other_namespaces(resource):
        if namespace and namespace != resource.namespace:
            yield Found(
                resource,
                (*path, "namespace"),
                namespace,
                f"It is in {resource.namespace}, what it names in {namespace}; a pool's status is matched by namespace.",
                f"Put both into one namespace and write namespace: {resource.namespace}.",
            )


def _other_namespaces(resource: Resource) -> Iterator[tuple[Path, str]]:
    if resource.kind not in ROUTE_KINDS:
        yield ("spec", "targetRef"), text(resource.inputs, "spec", "targetRef", "namespace")
        return
    to_pools = [path for r, path in references_of(resource) if text(r, "kind") == "InferencePool"]
    for path in to_pools:
        yield path, text(resource.inputs, *path, "namespace")
    if resource.kind == "HTTPRoute" and to_pools:
        for index, parent in enumerate(items(resource.inputs, "spec", "parentRefs")):
            yield ("spec", "parentRefs", index), text(parent, "namespace")
    for index, reference in enumerate(items(resource.inputs, "spec", "router", "gateway", "refs")):
        yield ("spec", "router", "gateway", "refs", index), text(reference, "namespace")
