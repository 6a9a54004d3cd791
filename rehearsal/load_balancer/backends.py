"""From the objects to the backends behind them: endpoints, health check, time limit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

from catalog.gke import POOL_GROUP
from rehearsal.control_plane.services import Address, endpoints
from rehearsal.gke.gateway import policies
from rehearsal.gke.gateway.world import Key, KubeObject, backend_of
from rehearsal.load_balancer.model import (
    Backend,
    CheckType,
    Defaults,
    Endpoint,
    HealthCheck,
    Objects,
    Picker,
    Protocol,
)

_NOWHERE = ("", 0)
_PROTOCOLS: Mapping[str, Protocol] = {
    "https": "HTTPS",
    "http2": "HTTP2",
    "kubernetes.io/h2c": "H2C",
}
_BLOCKS = {
    "TCP": "tcpHealthCheck",
    "HTTP": "httpHealthCheck",
    "HTTPS": "httpsHealthCheck",
    "HTTP2": "http2HealthCheck",
    "GRPC": "grpcHealthCheck",
}


class Backends:
    """Finds backends in the objects; each is made once."""

    def __init__(self, objects: Objects, defaults: Defaults) -> None:
        self._objects = objects
        self._defaults = defaults
        self._policies = {
            (policy["kind"], policy["spec"]["targetRef"]["kind"], (policy["metadata"]["namespace"], name)): policy
            for policy, attached in policies.attached(objects.world)
            if attached["status"] == "True"
            for name in [policy["spec"]["targetRef"]["name"]]
        }
        self.found: dict[str, Backend] = {}

    def of_reference(self, route: KubeObject, reference: Mapping[str, Any]) -> Backend | None:
        """The backend of a route's reference; None where it is not there."""
        group, kind, key = backend_of(route, reference)
        if (group, kind) == (POOL_GROUP, "InferencePool") and key in self._objects.world.pools:
            return self._pool(key, self._objects.world.pools[key])
        if (group, kind) == ("", "Service") and key in self._objects.world.services:
            return self._service(key, self._objects.world.services[key], reference.get("port"))
        return None

    def _pool(self, key: Key, pool: KubeObject) -> Backend:
        selector = pool["spec"]["selector"].get("matchLabels") or {}
        ports = [item["number"] for item in pool["spec"]["targetPorts"]]
        protocol: Protocol = "H2C" if pool["spec"].get("appProtocol") == "kubernetes.io/h2c" else "HTTP"
        reference = pool["spec"].get("endpointPickerRef")
        picker = self._picker((key[0], reference["name"]), reference) if reference else None
        return self._add(f"pool_{'_'.join(key)}", "InferencePool", key, protocol, selector, ports, picker)

    def _service(self, key: Key, service: KubeObject, number: int | None) -> Backend | None:
        port = next((item for item in service["spec"].get("ports") or () if item["port"] == number), None)
        if port is None:
            return None
        protocol = _PROTOCOLS.get(str(port.get("appProtocol", "")).lower(), "HTTP")
        target = port.get("targetPort", port["port"])
        selector = service["spec"].get("selector") or {}
        return self._add(f"service_{'_'.join(key)}_{number}", "Service", key, protocol, selector, [target], None)

    def _picker(self, key: Key, reference: Mapping[str, Any]) -> Picker:
        """The picker as a backend of its own; one whose Service is not there has no endpoint."""
        name = f"picker_{'_'.join(key)}"
        service = self._objects.world.services.get(key)
        number = (reference.get("port") or {}).get("number")
        ports = [item for item in (service or {"spec": {}})["spec"].get("ports") or () if item["port"] == number]
        targets = [item.get("targetPort", item["port"]) for item in ports]
        selector = (service["spec"].get("selector") or {}) if service else {}
        self._add(name, "EndpointPicker", key, "HTTP2", selector, targets, None)
        return Picker(name, reference.get("failureMode", "FailClose") == "FailOpen")

    def _add(
        self,
        name: str,
        kind: str,
        key: Key,
        protocol: Protocol,
        selector: Mapping[str, str],
        targets: list[int | str],
        picker: Picker | None,
    ) -> Backend:
        if name in self.found:
            return self.found[name]
        target_kind = "InferencePool" if kind == "InferencePool" else "Service"
        check, port = self._check(kind, self._policies.get(("HealthCheckPolicy", target_kind, key)), protocol)
        endpoints = tuple(
            Endpoint(pod["metadata"]["name"], address, _reached(key, selector, port, pod) if port else address)
            for target in targets
            for pod in sorted(self._objects.pods, key=lambda item: str(item["metadata"]["name"]))
            if (address := _reached(key, selector, target, pod)) != _NOWHERE
        )
        policy = self._policies.get(("GCPBackendPolicy", target_kind, key)) or {"spec": {}}
        given, scale = policy["spec"].get("default") or {}, self._defaults.time_scale
        limit = given.get("timeoutSec", self._defaults.time_limit) * scale
        drain = (given.get("connectionDraining") or {}).get("drainingTimeoutSec", self._defaults.draining) * scale
        if kind == "EndpointPicker":  # its calls last as long as the answers they belong to
            drain = math.inf
        backend = Backend(name, kind, key, protocol, endpoints, check, limit, drain, picker)
        self.found[name] = backend
        return backend

    def _check(self, kind: str, policy: KubeObject | None, protocol: Protocol) -> tuple[HealthCheck, int | str | None]:
        """The health check, and the port it asks where that is not the serving port."""
        if policy is not None:
            return _of_policy(policy["spec"].get("default") or {}, self._defaults.policy)
        if kind == "EndpointPicker":
            facts = dict(self._defaults.picker)
            return HealthCheck(**{key: value for key, value in facts.items() if key != "port"}), facts["port"]
        own: CheckType = "HTTP" if protocol == "H2C" else protocol
        return HealthCheck(type=own, **self._defaults.none), None


def _of_policy(spec: Mapping[str, Any], defaults: Mapping[str, Any]) -> tuple[HealthCheck, int | str | None]:
    config = spec.get("config") or {}
    kind = cast(CheckType, config.get("type", defaults["type"]))
    # Where type and block do not match, the type wins and the block is ignored.
    block = config.get(_BLOCKS[kind]) or {}
    check = HealthCheck(
        type=kind,
        interval=spec.get("checkIntervalSec", defaults["interval"]),
        timeout=spec.get("timeoutSec", defaults["timeout"]),
        healthy=spec.get("healthyThreshold", defaults["healthy"]),
        unhealthy=spec.get("unhealthyThreshold", defaults["unhealthy"]),
        path=block.get("requestPath", defaults["path"]),
        host=block.get("host", ""),
        grpc_service=block.get("grpcServiceName", ""),
        request=block.get("request", ""),
        response=block.get("response", ""),
    )
    return check, block.get("port") or block.get("portName")


def _reached(key: Key, selector: Mapping[str, str], target: int | str, pod: KubeObject) -> Address:
    """Where a port of a pod is reached, if the pod takes this backend's traffic; else nowhere.

    Asked of the Service network's own rules, with a Service made for the question.
    """
    asked = {"metadata": {"namespace": key[0]}, "spec": {"selector": dict(selector)}}
    return next(iter(endpoints(asked, {"targetPort": target}, [pod])), _NOWHERE)
