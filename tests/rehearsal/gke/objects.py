"""Objects of a small cluster for the Gateway controller's tests, as the API server would have completed them."""

from __future__ import annotations

import copy
import ipaddress
from typing import Any

from rehearsal.gke.gateway import Change, Cloud, NamedAddress, World, changes
from rehearsal.gke.gateway.world import key_of

NOW = "2026-11-24T12:00:00Z"
LATER = "2026-11-24T13:00:00Z"
POOL_GROUP = "inference.networking.k8s.io"
GATEWAY_API = "gateway.networking.k8s.io/v1"
INTERNAL, EXTERNAL = "gke-l7-rilb", "gke-l7-regional-external-managed"
GLOBAL, CLASSIC = "gke-l7-global-external-managed", "gke-l7-gxlb"
PARENT = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gw", "namespace": "ns"}
POOL_REF = {"group": POOL_GROUP, "kind": "InferencePool", "name": "pool", "port": 8000, "weight": 1}

Obj = dict[str, Any]


def obj(api: str, kind: str, name: str, spec: Obj, namespace: str = "ns", created: str = NOW) -> Obj:
    metadata = {"name": name, "namespace": namespace, "generation": 1, "creationTimestamp": created, "uid": name}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec}


def listener(name: str = "http", **more: Any) -> Obj:
    return {
        "name": name, "protocol": "HTTP", "port": 80, "allowedRoutes": {"namespaces": {"from": "Same"}}, **more,
    }  # fmt: skip


def https(**tls: Any) -> Obj:
    return listener("https", protocol="HTTPS", port=443, tls={"mode": "Terminate", **tls})


def gateway(*listeners: Obj, class_name: str = INTERNAL, name: str = "gw", **spec: Any) -> Obj:
    return obj(
        GATEWAY_API,
        "Gateway",
        name,
        {"gatewayClassName": class_name, "listeners": [*listeners] or [listener()], **spec},
    )


def rule(**more: Any) -> Obj:
    return {
        "matches": [{"path": {"type": "PathPrefix", "value": "/ns/m"}}],
        "filters": [
            {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}
        ],
        "backendRefs": [POOL_REF],
        **more,
    }


def route(*rules: Obj, name: str = "route", namespace: str = "ns", parent: Obj | None = None, **spec: Any) -> Obj:
    body = {"parentRefs": [parent or PARENT], "rules": [*rules] or [rule()], **spec}
    return obj(GATEWAY_API, "HTTPRoute", name, body, namespace)


def pool(name: str = "pool") -> Obj:
    reference = {"group": "", "kind": "Service", "name": f"{name}-epp", "port": {"number": 9002}}
    servers = {"selector": {"matchLabels": {"app": name}}, "targetPorts": [{"number": 8000}]}
    return obj(f"{POOL_GROUP}/v1", "InferencePool", name, {**servers, "endpointPickerRef": reference})


def service(name: str, *ports: int) -> Obj:
    return obj("v1", "Service", name, {"clusterIP": "127.64.0.9", "ports": [{"port": port} for port in ports]})


def policy(name: str, policy_kind: str = "HealthCheckPolicy", created: str = NOW, target: Obj | None = None) -> Obj:
    reference = {"group": POOL_GROUP, "kind": "InferencePool", "name": "pool", **(target or {})}
    return obj("networking.gke.io/v1", policy_kind, name, {"targetRef": reference}, created=created)


VIP = NamedAddress("vip", "us-east5", "10.0.0.9", "INTERNAL", "SHARED_LOADBALANCER_VIP")


def world(*objects: Obj, **more: Any) -> World:
    """A cluster with everything in place, and `objects`; an object of the same kind and name takes the other's place."""
    defaults = [gateway(), route(), pool(), service("pool-epp", 9002), service("web", 80)]
    present = {(o["kind"], key_of(o)): copy.deepcopy(o) for o in (*defaults, *objects)}

    def of(*kinds: str) -> dict[Any, Obj]:
        return {key: item for (kind, key), item in present.items() if kind in kinds}

    policies = [o for (kind, _), o in present.items() if kind.endswith("Policy")]
    base: dict[str, Any] = {
        "cloud": Cloud("us-east5", True, (VIP,)),
        "classes": frozenset({INTERNAL, EXTERNAL, GLOBAL, CLASSIC}),
        "gateways": of("Gateway"), "routes": of("HTTPRoute"), "pools": of("InferencePool"), "services": of("Service"),
        "namespaces": {"ns": {}, "other": {"team": "a"}}, "grants": list(of("ReferenceGrant").values()),
        "policies": policies, "addresses": ipaddress.IPv4Network("127.64.255.0/24"),
    }  # fmt: skip
    return World(**{**base, **more})


def without(base: World, kind: str, name: str) -> World:
    """The cluster without one object."""
    key = ("ns", name)
    fields = {"Service": "services", "InferencePool": "pools", "Gateway": "gateways", "HTTPRoute": "routes"}
    values = {k: v for k, v in getattr(base, fields[kind]).items() if k != key}
    return World(**{**base.__dict__, fields[kind]: values})


def settled(base: World, now: str = NOW) -> World:
    """The cluster after the statuses were written."""
    for change in changes(base, now):
        change.object["status"] = copy.deepcopy(change.status)  # type: ignore[index]
    return base


def status_of(base: World, kind: str, name: str) -> Change:
    return next(c for c in changes(base, NOW) if (c.object["kind"], c.object["metadata"]["name"]) == (kind, name))


def conditions(items: list[Obj]) -> dict[str, tuple[str, str]]:
    return {item["type"]: (item["status"], item["reason"]) for item in items}


def gateway_conditions(base: World, name: str = "gw") -> dict[str, tuple[str, str]]:
    return conditions(status_of(base, "Gateway", name).status["conditions"])


def programmed_message(base: World, name: str = "gw") -> str:
    items = status_of(base, "Gateway", name).status["conditions"]
    return str(next(item["message"] for item in items if item["type"] == "Programmed"))


def route_conditions(base: World, name: str = "route") -> dict[str, tuple[str, str]]:
    [parent] = status_of(base, "HTTPRoute", name).status["parents"]
    return conditions(parent["conditions"])


def route_message(base: World, condition: str, name: str = "route") -> str:
    [parent] = status_of(base, "HTTPRoute", name).status["parents"]
    return str(next(item["message"] for item in parent["conditions"] if item["type"] == condition))
