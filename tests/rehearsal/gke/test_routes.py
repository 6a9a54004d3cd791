"""What the Gateway controller says of routes, pools and policies."""

from __future__ import annotations

from typing import Any

import pytest

from rehearsal.gke.gateway import changes
from tests.rehearsal.gke.objects import (
    CLASSIC,
    EXTERNAL,
    GLOBAL,
    NOW,
    PARENT,
    POOL_REF,
    Obj,
    conditions,
    gateway,
    listener,
    obj,
    policy,
    pool,
    programmed_message,
    route,
    route_conditions,
    route_message,
    rule,
    service,
    settled,
    status_of,
    without,
    world,
)

WEB = {"group": "", "kind": "Service", "name": "web", "port": 80, "weight": 1}
ACCEPTED, RESOLVED = ("True", "Accepted"), ("True", "ResolvedRefs")
RECONCILED, FAILED = ("True", "ReconciliationSucceeded"), ("False", "ReconciliationFailed")


def pool_parents(base: Any, name: str = "pool") -> list[Obj]:
    parents: list[Obj] = status_of(base, "InferencePool", name).status["parents"]
    return parents


def attached(base: Any, name: str) -> tuple[str, str]:
    return conditions(next(c for c in changes(base, NOW) if c.object["metadata"]["name"] == name).status["conditions"])[
        "Attached"
    ]


def test_a_good_route_is_accepted_resolved_and_reconciled() -> None:
    assert route_conditions(world()) == {"Accepted": ACCEPTED, "ResolvedRefs": RESOLVED, "Reconciled": RECONCILED}
    [parent] = status_of(world(), "HTTPRoute", "route").status["parents"]
    assert parent["parentRef"] == PARENT
    assert parent["controllerName"] == "networking.gke.io/gateway"


@pytest.mark.parametrize(
    ("part", "reason", "says"),
    [
        ({"timeouts": {"request": "0s", "backendRequest": "0s"}}, "Invalid", "Timeouts are not supported."),
        ({"retry": {"attempts": 2}}, "UnsupportedValue", "Retries"),
        (
            {"matches": [{"path": {"type": "RegularExpression", "value": "^/.*$"}}]},
            "UnsupportedValue",
            "start with '/'",
        ),
        (
            {"matches": [{"path": {"type": "RegularExpression", "value": "/.*"}}]},
            "UnsupportedValue",
            "RegularExpression",
        ),
        ({"matches": [{"method": "GET"}]}, "UnsupportedValue", "method"),
        ({"filters": [{"type": "CORS", "cors": {}}]}, "UnsupportedValue", "CORS"),
        (
            {"filters": [{"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplaceFullPath"}}}]},
            "UnsupportedValue",
            "ReplaceFullPath",
        ),
        (
            {"filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "port": 443}}]},
            "UnsupportedValue",
            "Port redirect",
        ),
        (
            {"filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 308}}]},
            "UnsupportedValue",
            "308",
        ),
        ({"filters": [{"type": "RequestMirror", "requestMirror": {"backendRef": WEB}}] * 2}, "UnsupportedValue", "one"),
        (
            {"backendRefs": [{**WEB, "filters": [{"type": "RequestHeaderModifier"}]}]},
            "UnsupportedValue",
            "Filters of a backendRef",
        ),
    ],
)
def test_an_unsupported_feature_is_gwcer104(part: Obj, reason: str, says: str) -> None:
    base = world(route(rule(**part)))
    assert route_conditions(base)["Accepted"] == ("False", reason)
    assert route_conditions(base)["Reconciled"] == FAILED
    message = route_message(base, "Accepted")
    assert message.startswith('Error GWCER104: HTTPRoute "ns/route" is misconfigured, err: ')
    assert says in message
    assert programmed_message(base) == message


def test_the_redirect_to_https_of_this_project_is_accepted() -> None:
    redirect = {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}
    base = world(route(rule(filters=[redirect], backendRefs=[])))
    assert route_conditions(base)["Reconciled"] == RECONCILED


def test_filters_are_refused_on_the_classic_class_only() -> None:
    web = route(rule(backendRefs=[WEB]))
    assert route_conditions(world(gateway(class_name=GLOBAL), web))["Accepted"] == ACCEPTED
    classic = world(gateway(class_name=CLASSIC), web)
    assert "classic GXLB (GatewayClass gke-l7-gxlb) does not support rule filters" in route_message(classic, "Accepted")


@pytest.mark.parametrize("class_name", [GLOBAL, CLASSIC])
def test_a_global_class_takes_no_pool(class_name: str) -> None:
    base = world(gateway(class_name=class_name))
    assert route_conditions(base)["Accepted"] == ("False", "UnsupportedValue")
    assert conditions(pool_parents(base)[0]["conditions"])["Accepted"] == ("False", "NotSupportedByParent")


def test_the_external_regional_class_takes_a_pool() -> None:
    assert route_conditions(world(gateway(class_name=EXTERNAL)))["Reconciled"] == RECONCILED


@pytest.mark.parametrize(
    ("backend", "reason", "says"),
    [
        ({**POOL_REF, "group": "inference.networking.x-k8s.io"}, "InvalidKind", "inference.networking.x-k8s.io"),
        ({**POOL_REF, "name": "gone"}, "BackendNotFound", "Error GWCER102: inferencepools ns/gone not found"),
        ({**WEB, "name": "gone"}, "BackendNotFound", "Error GWCER102: services ns/gone not found"),
        ({**WEB, "port": 81}, "BackendNotFound", "Error GWCER103: port 81 does not exist in service ns/web"),
        ({**WEB, "namespace": "other"}, "RefNotPermitted", "no ReferenceGrant"),
    ],
)
def test_a_backend_that_is_not_there_is_not_resolved(backend: Obj, reason: str, says: str) -> None:
    base = world(route(rule(backendRefs=[backend])))
    assert route_conditions(base)["ResolvedRefs"] == ("False", reason)
    assert route_conditions(base)["Accepted"] == ACCEPTED
    message = route_message(base, "ResolvedRefs")
    assert message.startswith('error cause: reference-not-found: Error GWCER104: HTTPRoute "ns/route"')
    assert says in message
    assert says in programmed_message(base)


def test_a_grant_allows_a_backend_of_another_namespace() -> None:
    elsewhere = {**service("web", 80), "metadata": {"name": "web", "namespace": "other"}}
    origin = {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": "ns"}
    spec = {"from": [origin], "to": [{"group": "", "kind": "Service"}]}
    grant = obj("gateway.networking.k8s.io/v1beta1", "ReferenceGrant", "grant", spec, "other")
    base = world(route(rule(backendRefs=[{**WEB, "namespace": "other"}])), elsewhere, grant)
    assert route_conditions(base)["Reconciled"] == RECONCILED


def test_a_pool_without_its_pickers_service_fails_reconciliation_only() -> None:
    base = without(world(), "Service", "pool-epp")
    assert route_conditions(base) == {"Accepted": ACCEPTED, "ResolvedRefs": RESOLVED, "Reconciled": FAILED}
    text = "missing neg status in annotation of extension service ns/pool-epp"
    assert route_message(base, "Reconciled") == f"error cause: no-error-isolation: {text}"
    assert programmed_message(base) == text
    assert conditions(pool_parents(base)[0]["conditions"])["ResolvedRefs"] == ("False", "InvalidExtensionRef")


def test_a_pickers_service_without_the_port_stops_the_gateway() -> None:
    assert "port 9002 does not exist in service ns/pool-epp" in programmed_message(world(service("pool-epp", 9003)))


def test_a_pools_parent_is_named_with_its_namespace() -> None:
    [parent] = pool_parents(world())
    assert parent["parentRef"] == PARENT
    assert conditions(parent["conditions"]) == {"Accepted": ACCEPTED, "ResolvedRefs": RESOLVED}


def test_a_pool_whose_only_route_is_refused_says_so() -> None:
    base = world(route(rule(retry={"attempts": 1})))
    assert conditions(pool_parents(base)[0]["conditions"])["Accepted"] == ("False", "HTTPRouteNotAccepted")


def test_a_pool_loses_its_parent_with_its_route() -> None:
    base = without(settled(world()), "HTTPRoute", "route")
    assert pool_parents(base) == []
    assert not [c for c in changes(world(pool("lonely")), NOW) if c.object["metadata"]["name"] == "lonely"]


@pytest.mark.parametrize(
    ("own", "bound", "reason"),
    [
        (listener(), route(parent={**PARENT, "sectionName": "https"}), "NoMatchingParent"),
        (listener(), route(namespace="other"), "NotAllowedByListeners"),
        (listener(hostname="a.example"), route(hostnames=["b.example"]), "NoMatchingListenerHostname"),
        (
            listener(allowedRoutes={"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "b"}}}}),
            route(namespace="other"),
            "NotAllowedByListeners",
        ),
        (listener(allowedRoutes={"kinds": [{"kind": "GRPCRoute"}]}), route(), "NotAllowedByListeners"),
    ],
)
def test_a_route_without_listener_is_not_accepted_and_stops_nothing(own: Obj, bound: Obj, reason: str) -> None:
    base = world(gateway(own), bound)
    if bound["metadata"]["namespace"] != "ns":
        base = without(base, "HTTPRoute", "route")
    assert route_conditions(base)["Accepted"] == ("False", reason)
    assert status_of(base, "Gateway", "gw").status["listeners"][0]["attachedRoutes"] == 0
    assert not status_of(base, "Gateway", "gw").failed


@pytest.mark.parametrize(
    ("own", "bound"),
    [
        (listener(allowedRoutes={"namespaces": {"from": "All"}}), "other"),
        (
            listener(allowedRoutes={"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}}),
            "other",
        ),
    ],
)
def test_a_listener_may_take_routes_of_other_namespaces(own: Obj, bound: str) -> None:
    grant_free = route(rule(backendRefs=[]), name="guest", namespace=bound)
    assert route_conditions(world(gateway(own), grant_free), "guest")["Accepted"] == ACCEPTED


@pytest.mark.parametrize(("own", "asked"), [("*.example", "a.example"), ("a.example", "*.example"), ("a.b", "a.b")])
def test_hostnames_with_a_common_name_match(own: str, asked: str) -> None:
    assert route_conditions(world(gateway(listener(hostname=own)), route(hostnames=[asked])))["Accepted"] == ACCEPTED


def test_a_route_of_no_gateway_of_ours_gets_no_status_and_foreign_statuses_stay() -> None:
    foreign = {"parentRef": {"name": "mesh"}, "controllerName": "example.com/mesh", "conditions": []}
    base = world()
    base.routes["ns", "route"]["status"] = {"parents": [foreign]}  # type: ignore[index]
    parents = status_of(base, "HTTPRoute", "route").status["parents"]
    assert [item["controllerName"] for item in parents] == ["example.com/mesh", "networking.gke.io/gateway"]
    lost = without(settled(base), "Gateway", "gw")
    assert status_of(lost, "HTTPRoute", "route").status["parents"] == [foreign]


def test_a_policy_is_attached_to_what_is_there() -> None:
    gateway_target = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gw"}
    base = world(
        policy("pool-check"),
        policy("service-check", target={"group": "", "kind": "Service", "name": "web"}),
        policy("pool-backend", "GCPBackendPolicy"),
        policy("access", "GCPGatewayPolicy", target=gateway_target),
    )
    for name in ("pool-check", "service-check", "pool-backend", "access"):
        assert attached(base, name) == ("True", "Attached")


def test_the_oldest_policy_of_a_target_wins() -> None:
    base = world(policy("a", created="2026-11-24T12:00:01Z"), policy("b"), policy("c", "GCPBackendPolicy"))
    assert attached(base, "a") == ("False", "Conflicted")
    assert attached(base, "b") == ("True", "Attached")
    assert attached(base, "c") == ("True", "Attached")


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ({"name": "gone"}, "TargetNotFound"),
        ({"group": "", "kind": "Service", "name": "gone"}, "TargetNotFound"),
        ({"group": ""}, "Invalid"),
        ({"namespace": "other"}, "Invalid"),
    ],
)
def test_a_policy_without_target_is_not_attached(target: Obj, reason: str) -> None:
    assert attached(world(policy("p", target=target)), "p") == ("False", reason)
