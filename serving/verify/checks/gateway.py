"""GatewayClass, Gateway, and every route that hangs on it. Conditions: GKE's and the Gateway API's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from catalog.gke import GatewayClass
from manifests.gateway import API
from serving.checking.findings import Finding, failed, passed
from serving.live.context import Context, title
from serving.verify.backends import Backend, not_made
from serving.verify.conditions import NOT_WRITTEN, generation_of, judge
from serving.verify.registry import KUBERNETES_FAILURES, check
from settings import names

# A message that names one of these speaks of another object, for which GKE stops the whole Gateway.
_STOPPING = ("HTTPRoute", "extension service", "InferencePool")


@check(
    "gateway-class",
    "GatewayClass accepted",
    "GatewayClass, condition Accepted",
    (
        *KUBERNETES_FAILURES,
        "gateway-class-missing",
        "gateway-class-not-accepted",
        "gateway-class-without-pools",
        NOT_WRITTEN,
    ),
)
def gateway_class(context: Context) -> Iterator[Finding]:
    """The class that the outputs name is there and accepted, and the one in use takes pools."""
    wanted = context.target.outputs.gateway.class_name
    classes = context.cluster.objects(API, "GatewayClass")
    found = next((item for item in classes if item["metadata"]["name"] == wanted), None)
    if found is None:
        there = ", ".join(sorted(item["metadata"]["name"] for item in classes)) or "none"
        yield failed("gateway-class-missing", f"GatewayClass {wanted}", f"not there; classes of this cluster: {there}")
        return
    gateway = declared_gateway(context)
    used = gateway["spec"].get("gatewayClassName") if gateway else wanted
    if used not in set(GatewayClass):
        text = f"the class of the Gateway does not support InferencePool; {' and '.join(GatewayClass)} do"
        yield failed("gateway-class-without-pools", f"GatewayClass {used}", text)
    yield from judge(
        title(found),
        (found.get("status") or {}).get("conditions"),
        {"Accepted": "gateway-class-not-accepted"},
        generation_of(found),
    )


@check(
    "gateway-programmed",
    "Gateway programmed, with an address",
    "Gateway and its listeners, conditions Accepted, Programmed, ResolvedRefs; status.addresses",
    (
        *KUBERNETES_FAILURES,
        "gateway-missing",
        "gateway-not-programmed",
        "gateway-stopped",
        "gateway-without-address",
        "gateway-class-differs",
        NOT_WRITTEN,
    ),
    proof=True,
)
def gateway_programmed(context: Context) -> Iterator[Finding]:
    """Google's load balancer exists and has an address."""
    found = declared_gateway(context)
    if found is None:
        declared = context.target.outputs.gateway
        yield failed("gateway-missing", f"Gateway {declared.namespace}/{declared.name}", "not there")
        return
    declared_class, live_class = context.target.outputs.gateway.class_name, found["spec"].get("gatewayClassName")
    if live_class != declared_class:
        text = f"its class is {live_class}, the stack outputs say {declared_class}"
        yield failed("gateway-class-differs", title(found), text)
    status, generation = found.get("status") or {}, generation_of(found)
    wanted = dict.fromkeys(("Accepted", "Programmed"), "gateway-not-programmed")
    results = judge(title(found), status.get("conditions"), wanted, generation)
    for listener in status.get("listeners") or ():
        name = f"{title(found)}, listener {listener['name']}"
        conditions = dict.fromkeys(("Accepted", "ResolvedRefs", "Programmed"), "gateway-not-programmed")
        results += judge(name, listener.get("conditions"), conditions, generation)
    for result in results:
        stopped = result.failure == "gateway-not-programmed" and any(kind in result.message for kind in _STOPPING)
        yield replace(result, failure="gateway-stopped") if stopped else result
    addresses = [item.get("value") for item in status.get("addresses") or () if item.get("value")]
    if addresses:
        yield passed(title(found), f"address {', '.join(addresses)}")
    else:
        yield failed("gateway-without-address", title(found), "status.addresses is empty")


@check(
    "routes",
    "Every HTTPRoute accepted and reconciled",
    "HTTPRoutes at the Gateway, conditions Accepted, ResolvedRefs, Reconciled of each parent",
    (
        *KUBERNETES_FAILURES,
        "route-missing",
        "route-not-accepted",
        "route-without-backend",
        "route-not-reconciled",
        NOT_WRITTEN,
    ),
    proof=True,
)
def routes(context: Context) -> Iterator[Finding]:
    """Our routes and every other one of the Gateway: one bad route stops all of them."""
    found = [item for item in context.objects(API, "HTTPRoute") if any(_parents(context, item))]
    there = {item["metadata"]["name"] for item in found}
    for model in context.models:
        name = names.route(model.name)
        if name not in there:
            text = "there is no such route at the Gateway"
            yield failed("route-missing", f"HTTPRoute {context.namespace}/{name}", text)
    missing = not_made(context)
    for route in found:
        yield from _judge_route(context, route, without_backend=any(item in missing for item in _backends(route)))


def _judge_route(context: Context, route: dict[str, Any], *, without_backend: bool) -> Iterator[Finding]:
    wanted = {
        "Accepted": "route-not-accepted",
        "ResolvedRefs": "route-without-backend" if without_backend else "route-not-accepted",
        "Reconciled": "route-not-reconciled",
    }
    statuses = (route.get("status") or {}).get("parents") or ()
    for parent in _parents(context, route):
        same = [
            item
            for item in statuses
            if item["parentRef"]["name"] == parent["name"]
            and item["parentRef"].get("sectionName") == parent.get("sectionName")
        ]
        if not same:
            yield failed(NOT_WRITTEN, title(route), f"no controller has written a status for Gateway {parent['name']}")
        for item in same:
            yield from judge(title(route), item.get("conditions"), wanted, generation_of(route))


def _backends(route: dict[str, Any]) -> Iterator[Backend]:
    """What a route leads to in its own namespace."""
    for rule in route["spec"].get("rules") or ():
        for reference in rule.get("backendRefs") or ():
            if reference.get("namespace", route["metadata"]["namespace"]) == route["metadata"]["namespace"]:
                yield reference.get("group", ""), reference.get("kind", "Service"), reference["name"]


def _parents(context: Context, route: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """References of a route to our Gateway."""
    declared = context.target.outputs.gateway
    for parent in route["spec"].get("parentRefs") or ():
        namespace = parent.get("namespace") or route["metadata"]["namespace"]
        if (parent.get("kind", "Gateway"), parent["name"], namespace) == (
            "Gateway",
            declared.name,
            declared.namespace,
        ):
            yield parent


def declared_gateway(context: Context) -> dict[str, Any] | None:
    """The Gateway that the stack outputs name; None where it is not there."""
    declared = context.target.outputs.gateway
    gateways = context.objects(API, "Gateway", declared.namespace)
    return next((item for item in gateways if item["metadata"]["name"] == declared.name), None)
