"""Objects of a small cluster, as the API server would have completed them."""

from __future__ import annotations

import copy
import ipaddress
from typing import Any

from rehearsal.gke.gateway.objects import Cloud, Objects, by_kind
from rehearsal.gke.gateway.status import Change, changes

Obj = dict[str, Any]

NOW, LATER = "2026-11-24T12:00:00Z", "2026-11-24T13:00:00Z"
POOL_GROUP, GROUP = "inference.networking.k8s.io", "gateway.networking.k8s.io"
GATEWAY_API, POOL_API = f"{GROUP}/v1", f"{POOL_GROUP}/v1"
INTERNAL, GLOBAL = "gke-l7-rilb", "gke-l7-global-external-managed"
PARENT = {"group": GROUP, "kind": "Gateway", "name": "gw", "namespace": "ns"}
POOL_REF = {"group": POOL_GROUP, "kind": "InferencePool", "name": "pool", "port": 8000, "weight": 1}
WEB_REF = {"group": "", "kind": "Service", "name": "web", "port": 80, "weight": 1}
RANGE = ipaddress.IPv4Network("127.64.255.0/24")
CLOUD = Cloud(proxy_only_subnet=True, range=RANGE, addresses={"vip": "10.0.0.9"})


def obj(api: str, kind: str, name: str, spec: Obj, namespace: str = "ns", created: str = NOW) -> Obj:
    metadata = {"name": name, "namespace": namespace, "generation": 1, "creationTimestamp": created, "uid": name}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec}


def listener(name: str = "http", **more: Any) -> Obj:
    base = {"name": name, "protocol": "HTTP", "port": 80, "allowedRoutes": {"namespaces": {"from": "Same"}}}
    return {**base, **more}


def https(**tls: Any) -> Obj:
    return listener("https", protocol="HTTPS", port=443, tls={"mode": "Terminate", **tls})


def gateway(*listeners: Obj, class_name: str = INTERNAL, name: str = "gw", **spec: Any) -> Obj:
    body = {"gatewayClassName": class_name, "listeners": [*listeners] or [listener()], **spec}
    return obj(GATEWAY_API, "Gateway", name, body)


def gateway_class(name: str) -> Obj:
    made = obj(GATEWAY_API, "GatewayClass", name, {"controllerName": "networking.gke.io/gateway"})
    del made["metadata"]["namespace"]
    return made


def rule(prefix: str = "/ns/m", **more: Any) -> Obj:
    rewrite: Obj = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}
    filters = [{"type": "URLRewrite", "urlRewrite": rewrite}]
    matches = [{"path": {"type": "PathPrefix", "value": prefix}}]
    return {"matches": matches, "filters": filters, "backendRefs": [POOL_REF], **more}


def redirect() -> Obj:
    to_https: Obj = {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}
    return {"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "filters": [to_https]}


def route(*rules: Obj, name: str = "route", namespace: str = "ns", parent: Obj | None = None, **spec: Any) -> Obj:
    body = {"parentRefs": [parent or PARENT], "rules": [*rules] or [rule()], **spec}
    return obj(GATEWAY_API, "HTTPRoute", name, body, namespace)


def pool(name: str = "pool", failure_mode: str = "FailClose") -> Obj:
    picker: Obj = {"group": "", "kind": "Service", "name": f"{name}-epp", "port": {"number": 9002}}
    servers: Obj = {
        "selector": {"matchLabels": {"app": name}},
        "targetPorts": [{"number": 8000}],
        "appProtocol": "http",
    }
    body = {**servers, "endpointPickerRef": {**picker, "failureMode": failure_mode}}
    return obj(POOL_API, "InferencePool", name, body)


def service(name: str, port: int, app: str = "", target: int | str | None = None, **more: Any) -> Obj:
    ports = [{"port": port, "targetPort": target or port, **more}]
    return obj("v1", "Service", name, {"clusterIP": "127.64.0.9", "ports": ports, "selector": {"app": app or name}})


def policy(kind: str, target: str = "pool", created: str = NOW, name: str = "", **default: Any) -> Obj:
    """A policy of a pool, or of the Service `web`."""
    reference = {
        "group": "" if target == "web" else POOL_GROUP,
        "kind": "Service" if target == "web" else "InferencePool",
    }
    spec = {"targetRef": {**reference, "name": target}, "default": default}
    return obj("networking.gke.io/v1", kind, name or f"{kind.lower()}-{target}", spec, created=created)


def health_policy(target: str = "pool", **default: Any) -> Obj:
    """As the program renders it, but once a second."""
    check = {"portSpecification": "USE_FIXED_PORT", "port": 8000, "requestPath": "/health"}
    base = {"checkIntervalSec": 1, "timeoutSec": 1, "healthyThreshold": 1, "unhealthyThreshold": 2}
    config = {"type": "HTTP", "httpHealthCheck": check}
    return policy("HealthCheckPolicy", target, **{**base, "config": config, **default})


def cluster(*objects: Obj, without: tuple[str, str] = ("", "")) -> Objects:
    """Everything in place, and `objects`; one of the same kind and name takes the other's place."""
    classes = [gateway_class(name) for name in (INTERNAL, GLOBAL)]
    defaults = [*classes, gateway(), route(), pool(), service("pool-epp", 9002), service("web", 80)]
    present = {(item["kind"], item["metadata"]["name"]): copy.deepcopy(item) for item in (*defaults, *objects)}
    present.pop(without, None)
    return by_kind(present.values())


def settled(objects: Objects, now: str = NOW) -> Objects:
    """The cluster after the statuses were written."""
    for change in changes(objects, CLOUD, now):
        change.object["status"] = {**(change.object.get("status") or {}), **copy.deepcopy(change.status)}  # type: ignore[index]
    return objects


def change_of(objects: Objects, kind: str, name: str, cloud: Cloud = CLOUD) -> Change:
    found = changes(objects, cloud, NOW)
    return next(item for item in found if (item.object["kind"], item.object["metadata"]["name"]) == (kind, name))


def conditions(items: list[Obj]) -> dict[str, tuple[str, str]]:
    """Status and reason by type."""
    return {item["type"]: (item["status"], item["reason"]) for item in items}
