"""What GKE refuses of an HTTPRoute: features it does not support, backends that are not there (GWCER102, GWCER104)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from catalog.gke import POOL_GROUP
from rehearsal.gke.classes import gateway_classes
from rehearsal.gke.gateway.world import GATEWAY_GROUP, Key, KubeObject, World, backend_of, title

# Refused are the values that GKE's conformance reports list as unsupported.
_REDIRECT_CODES = (301, 302)


@dataclass(frozen=True)
class Problem:
    """Why a route is refused: the condition that turns False, with its reason and message.

    `stops` is what the Gateway says about it; it stops the whole Gateway.
    """

    condition: str
    reason: str
    message: str
    stops: str


def _misconfigured(route: KubeObject, what: str) -> str:
    return f'Error GWCER104: HTTPRoute "{title(route)}" is misconfigured, err: {what}'


def problems(world: World, route: KubeObject, class_name: str) -> list[Problem]:
    """Everything wrong with a route at a Gateway of a class."""
    found = []
    for reason, what in (*_features(route), *_by_class(route, class_name)):
        message = _misconfigured(route, what)
        found.append(Problem("Accepted", reason, message, message))
    for reference in world.route_backends(route):
        found += _backend(world, route, reference)
    return found


def _features(route: KubeObject) -> Iterator[tuple[str, str]]:
    for rule in route["spec"].get("rules") or ():
        if rule.get("timeouts") is not None:
            yield "Invalid", "Timeouts are not supported."
        if rule.get("retry") is not None:
            yield "UnsupportedValue", "Retries are not supported."
        for match in rule.get("matches") or ():
            yield from _match(match)
        filters = rule.get("filters") or []
        for item in filters:
            yield from _filter(item)
        if sum(item["type"] == "RequestMirror" for item in filters) > 1:
            yield "UnsupportedValue", "Only one RequestMirror filter is supported in a rule."
        if any(reference.get("filters") for reference in rule.get("backendRefs") or ()):
            yield "UnsupportedValue", "Filters of a backendRef are not supported."


def _match(match: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    path = match.get("path") or {}
    if not path.get("value", "/").startswith("/"):
        yield "UnsupportedValue", "Paths must start with '/' character"
    elif path.get("type") == "RegularExpression":
        yield "UnsupportedValue", 'Path match type "RegularExpression" is not supported.'
    if match.get("method") is not None:
        yield "UnsupportedValue", "Matching by method is not supported."


def _filter(item: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if item["type"] == "CORS":
        yield "UnsupportedValue", 'Filter type "CORS" is not supported.'
    for block in ("urlRewrite", "requestRedirect"):
        if ((item.get(block) or {}).get("path") or {}).get("type") == "ReplaceFullPath":
            yield "UnsupportedValue", 'Path modifier "ReplaceFullPath" is not supported.'
    redirect = item.get("requestRedirect") or {}
    if redirect.get("port") is not None:
        yield "UnsupportedValue", "Port redirect is not supported."
    if redirect.get("statusCode", 302) not in _REDIRECT_CODES:
        yield "UnsupportedValue", f"Redirect status code {redirect['statusCode']} is not supported."


def _by_class(route: KubeObject, class_name: str) -> Iterator[tuple[str, str]]:
    facts = gateway_classes()[class_name]
    rules = route["spec"].get("rules") or ()
    if not facts.rule_filters and any(rule.get("filters") for rule in rules):
        yield (
            "UnsupportedValue",
            f"classic GXLB (GatewayClass {class_name}) does not support rule filters, GFEv3 based External LB "
            "(GatewayClass gke-l7-global-external-managed) supports rule filters.",
        )
    if not facts.inference_pool and any(
        reference.get("kind") == "InferencePool" and reference.get("group") == POOL_GROUP
        for rule in rules
        for reference in rule.get("backendRefs") or ()
    ):
        yield "UnsupportedValue", f"GatewayClass {class_name} does not support InferencePool backends."


def _backend(world: World, route: KubeObject, reference: Mapping[str, Any]) -> list[Problem]:
    group, kind, key = backend_of(route, reference)
    name = "/".join(key)
    if (group, kind) not in (("", "Service"), (POOL_GROUP, "InferencePool")):
        what = f'unsupported backend kind "{kind}" of group "{group}"'
        return [_unresolved(route, "InvalidKind", what)]
    if not world.granted((GATEWAY_GROUP, "HTTPRoute"), title(route).split("/")[0], group, kind, key):
        return [_unresolved(route, "RefNotPermitted", f"no ReferenceGrant allows the reference to {kind} {name}")]
    if kind == "Service":
        return _service(world, route, key, reference.get("port"))
    if key not in world.pools:
        return [_unresolved(route, "BackendNotFound", f"Error GWCER102: inferencepools {name} not found")]
    return _picker(world, key)


def _service(world: World, route: KubeObject, key: Key, port: int | None) -> list[Problem]:
    name = "/".join(key)
    service = world.services.get(key)
    if service is None:
        return [_unresolved(route, "BackendNotFound", f"Error GWCER102: services {name} not found")]
    if port not in [item["port"] for item in service["spec"].get("ports") or ()]:
        return [_unresolved(route, "BackendNotFound", f"Error GWCER103: port {port} does not exist in service {name}")]
    return []


def _unresolved(route: KubeObject, reason: str, what: str) -> Problem:
    message = _misconfigured(route, what)
    return Problem("ResolvedRefs", reason, f"error cause: reference-not-found: {message}", message)


def picker_problem(world: World, key: Key) -> str | None:
    """What is wrong with a pool's endpoint picker; None where its Service and port are there."""
    reference = world.pools[key]["spec"].get("endpointPickerRef") or {}
    target = key[0], str(reference.get("name"))
    service = world.services.get(target)
    if service is None:
        return f"missing neg status in annotation of extension service {'/'.join(target)}"
    port = (reference.get("port") or {}).get("number")
    if port is not None and port not in [item["port"] for item in service["spec"].get("ports") or ()]:
        return (
            f"translateInferencePoolLbTrafficExtension for {'/'.join(key)}: "
            f"port {port} does not exist in service {'/'.join(target)}"
        )
    return None


def _picker(world: World, key: Key) -> list[Problem]:
    what = picker_problem(world, key)
    if what is None:
        return []
    # The route itself is fine: only its reconciliation fails, and with it the Gateway's.
    return [Problem("Reconciled", "ReconciliationFailed", f"error cause: no-error-isolation: {what}", what)]
