"""Objects of a small cluster, as the API server would have completed them."""

from __future__ import annotations

import json
from typing import Any

from cluster.pods import PORTS_ANNOTATION
from rehearsal.gke.gateway import Cloud, World
from rehearsal.gke.gateway.world import key_of
from rehearsal.load_balancer.model import Objects
from tests.rehearsal.gke.objects import POOL_GROUP, Obj, obj, rule
from tests.rehearsal.gke.objects import gateway as bare_gateway
from tests.rehearsal.gke.objects import pool as bare_pool
from tests.rehearsal.gke.objects import route as bare_route

SERVICE_REF = {"kind": "Service", "name": "web", "port": 80}
__all__ = ["POOL_GROUP", "SERVICE_REF", "Obj", "bare_pool", "bare_route", "rule"]


def gateway(*listeners: Obj, programmed: bool = True, **spec: Any) -> Obj:
    """A Gateway that the status half has programmed."""
    made = bare_gateway(*listeners, **spec)
    made["status"] = {"conditions": [{"type": "Programmed", "status": "True" if programmed else "False"}]}
    return made


def service_route(path: str = "/ns/m", **more: Any) -> Obj:
    """A route to the Service `web`."""
    matches = [{"path": {"type": "PathPrefix", "value": path}}]
    return bare_route(rule(matches=matches, backendRefs=[SERVICE_REF], **more))


def pool(failure_mode: str = "FailClose") -> Obj:
    """A pool of the pods labelled app=pool, with the picker `pool-epp`."""
    made = bare_pool()
    made["spec"]["endpointPickerRef"]["failureMode"] = failure_mode
    return made


def pod(
    name: str, address: tuple[str, int], app: str = "pool", ready: bool = True, ports: dict[int, str] | None = None
) -> Obj:
    """A pod whose port 8000 is at an address; `ports` are further ones: {9002: "127.0.0.1:1"}."""
    where = {8000: f"{address[0]}:{address[1]}", **(ports or {})}
    made = obj("v1", "Pod", name, {"containers": [{"ports": [{"name": "http", "containerPort": 8000}]}]})
    made["metadata"] |= {"labels": {"app": app}, "annotations": {PORTS_ANNOTATION: json.dumps(where)}}
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    made["status"] = {"podIP": address[0], "phase": "Running", "conditions": [condition]}
    return made


def service(name: str = "web", port: int = 80, target: int | str = 8000, app: str = "pool", **more: Any) -> Obj:
    """A Service."""
    ports = [{"port": port, "targetPort": target, **more}]
    return obj("v1", "Service", name, {"clusterIP": "127.64.0.9", "selector": {"app": app}, "ports": ports})


def health_policy(target: str = "pool", kind: str = "InferencePool", **default: Any) -> Obj:
    """A HealthCheckPolicy as our manifests have it, asking once a second."""
    config = {
        "type": "HTTP",
        "httpHealthCheck": {"portSpecification": "USE_FIXED_PORT", "port": 8000, "requestPath": "/health"},
    }
    base = {"checkIntervalSec": 1, "timeoutSec": 1, "healthyThreshold": 1, "unhealthyThreshold": 2, "config": config}
    return _policy("HealthCheckPolicy", target, kind, {**base, **default})


def backend_policy(target: str = "pool", kind: str = "InferencePool", **default: Any) -> Obj:
    """A GCPBackendPolicy."""
    return _policy("GCPBackendPolicy", target, kind, default)


def _policy(policy_kind: str, target: str, kind: str, default: Obj) -> Obj:
    reference = {"group": POOL_GROUP if kind == "InferencePool" else "", "kind": kind, "name": target}
    name = f"{policy_kind.lower()}-{target}"
    return obj("networking.gke.io/v1", policy_kind, name, {"targetRef": reference, "default": default})


def objects(*items: Obj) -> Objects:
    """The cluster with these objects."""

    def of(kind: str) -> dict[Any, Obj]:
        return {key_of(item): item for item in items if item["kind"] == kind}

    world = World(
        cloud=Cloud("", True),
        gateways=of("Gateway"),
        routes=of("HTTPRoute"),
        pools=of("InferencePool"),
        services=of("Service"),
        namespaces={"ns": {}},
        policies=[item for item in items if item["kind"].endswith("Policy")],
    )
    return Objects(world, list(of("Pod").values()))
