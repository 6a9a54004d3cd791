"""Where requests go: the pools and Services that routes name, with endpoints, health check and limits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cluster.pods import pod_address
from rehearsal.control_plane.services import Address, endpoints
from rehearsal.gke.gateway.objects import Key, KubeObject, Objects, key_of
from rehearsal.gke.gateway.problems import of_policies

PICKER = "EndpointPicker"


@dataclass(frozen=True)
class HealthCheck:
    """How an endpoint is asked: a picker by gRPC, all others by HTTP, on `port` or on the serving port. Seconds."""

    path: str
    port: int | None
    interval: float
    timeout: float
    healthy: int
    unhealthy: int


# No HealthCheckPolicy. Path: field issues 5 and 13; times: those of GKE Ingress for container-native load balancing, the
# Gateway controller's are not known. Picker: llm-d-router config/charts/llm-d-router-gateway/templates/gke.yaml, times
# as where a policy leaves them out. Read 2026-11-24.
_WITHOUT_POLICY = HealthCheck("/", None, interval=15, timeout=15, healthy=1, unhealthy=2)
_OF_PICKER = HealthCheck("", 9003, interval=5, timeout=5, healthy=2, unhealthy=2)
# No GCPBackendPolicy, seconds: GoogleCloudPlatform/gke-gateway-api config/crd/networking.gke.io_gcpbackendpolicies.yaml,
# timeoutSec and drainingTimeoutSec; read 2026-11-27.
_TIME_LIMIT, _DRAINING = 30, 0


@dataclass(frozen=True)
class Endpoint:
    """A ready pod: where its requests go, and where its health check goes."""

    pod: str
    address: Address
    probe: Address


@dataclass(frozen=True)
class Backend:
    """A pool, a Service's port, or the endpoint picker of a pool, which the pool names by its id.

    `time_limit` is for one whole answer, `draining` for what an endpoint has begun when it leaves; seconds.
    """

    id: str
    kind: str
    key: Key
    endpoints: tuple[Endpoint, ...]
    check: HealthCheck
    time_limit: float = math.inf
    draining: float = math.inf
    tls: bool = False
    picker: str = ""
    fail_open: bool = False


class Backends:
    """Makes the backends of routes, each once. `scale` multiplies their limits."""

    def __init__(self, objects: Objects, scale: float) -> None:
        self._objects, self._scale = objects, scale
        self._policies: dict[tuple[str, str, Key], Mapping[str, Any]] = {}
        for policy in (policy for policy, reason, _ in of_policies(objects) if reason == "Attached"):
            target = policy["spec"]["targetRef"]
            key = policy["kind"], target["kind"], (key_of(policy)[0], target["name"])
            self._policies[key] = policy["spec"].get("default") or {}
        self.found: dict[str, Backend] = {}

    def of(self, kind: str, key: Key, port: int | None) -> Backend:
        """The backend that a route names, which is there."""
        spec, limits = self._objects[kind][key]["spec"], self._policies.get(("GCPBackendPolicy", kind, key), {})
        check = _check(self._policies.get(("HealthCheckPolicy", kind, key)))
        reference: Mapping[str, Any] = spec.get("endpointPickerRef") or {}
        if kind == "Service":
            selector, declared = spec["selector"], next(item for item in spec["ports"] if item["port"] == port)
        else:
            selector, declared = spec["selector"]["matchLabels"], {"port": spec["targetPorts"][0]["number"]}
        return self._add(
            id=f"{kind.lower()}_{'_'.join(key)}_{declared['port']}",
            kind=kind,
            key=key,
            endpoints=self._endpoints(key[0], selector, declared, check),
            check=check,
            time_limit=limits.get("timeoutSec", _TIME_LIMIT) * self._scale,
            draining=(limits.get("connectionDraining") or {}).get("drainingTimeoutSec", _DRAINING) * self._scale,
            tls=declared.get("appProtocol") == "https",
            picker=self._picker((key[0], reference["name"]), reference["port"]["number"]) if reference else "",
            fail_open=reference.get("failureMode") == "FailOpen",
        )

    def _picker(self, key: Key, number: int) -> str:
        """No endpoint where its Service is not there yet. A call lasts as long as the answer that it belongs to."""
        spec: Mapping[str, Any] = self._objects["Service"].get(key, {"spec": {}})["spec"]
        ports = [item for item in spec.get("ports") or () if item["port"] == number]
        found = tuple(end for port in ports for end in self._endpoints(key[0], spec["selector"], port, _OF_PICKER))
        return self._add(id=f"picker_{'_'.join(key)}", kind=PICKER, key=key, endpoints=found, check=_OF_PICKER).id

    def _add(self, **fields: Any) -> Backend:
        return self.found.setdefault(fields["id"], Backend(**fields))

    def _endpoints(
        self, namespace: str, selector: Mapping[str, str], port: KubeObject, check: HealthCheck
    ) -> tuple[Endpoint, ...]:
        service = {"metadata": {"namespace": namespace}, "spec": {"selector": selector}}
        return tuple(
            Endpoint(name, address, pod_address(pod, check.port) if check.port else address)
            for (_, name), pod in self._objects["Pod"].items()
            for address in endpoints(service, port, [pod])
        )


def _check(policy: Mapping[str, Any] | None) -> HealthCheck:
    """What a policy leaves out is as in Google's "Configure Gateway resources"; read 2026-11-24."""
    if policy is None:
        return _WITHOUT_POLICY
    block, names = policy["config"]["httpHealthCheck"], ("checkIntervalSec", "timeoutSec")
    times = [policy.get(name, 5) for name in names]
    counts = [policy.get(name, 2) for name in ("healthyThreshold", "unhealthyThreshold")]
    return HealthCheck(block.get("requestPath", "/"), block["port"], *times, *counts)
