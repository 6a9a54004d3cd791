"""What is in force at Google's load balancer, against the policies of the plan: health check, time limit, guards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cluster.errors import CannotAskError
from serving.checking.findings import Finding, unknown
from serving.drift.compare import Difference, differences
from serving.drift.findings import Action, Drift, Kind, drifted
from serving.drift.planned import Planned
from serving.google.client import GoogleClient
from serving.live.google_backends import Backend, backends_of, health_check_of

_POLICIES = ("HealthCheckPolicy", "GCPBackendPolicy")
_NOT_ASKED = "backends-not-asked"


@dataclass(frozen=True)
class _Target:
    """What policies of the plan speak of, and what they say of it (`spec.default` by kind)."""

    namespace: str
    kind: str
    name: str
    policies: Mapping[str, Mapping[str, Any]]

    @property
    def title(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


def compare_google(
    planned: Planned, gateway: Mapping[str, Any] | None, google: Callable[[], GoogleClient]
) -> Iterator[Finding]:
    """Every backend of the plan that Google has, against its policies; what could not be asked, by name."""
    targets = list(_targets(planned))
    if gateway is None:
        yield from (_unasked(target, _NOT_ASKED, "the Gateway is not there") for target in targets)
        return
    client = google()
    try:
        backends = backends_of(client, gateway)
    except CannotAskError as error:
        yield from (_unasked(target, error.failure, error.message) for target in targets)
        return
    for target in targets:
        own = [item for item in backends if item.serves(target.namespace, target.kind, target.name)]
        # A Service has a backend only where a route leads to it; the plan's routes lead to pools.
        if not own and target.kind != "Service":
            yield _unasked(target, _NOT_ASKED, f"none of the Gateway's {len(backends)} backend services is its own")
        for backend in own:
            try:
                yield from _compare(client, target, backend)
            except CannotAskError as error:
                yield _unasked(target, error.failure, error.message)


def _compare(google: GoogleClient, target: _Target, backend: Backend) -> Iterator[Drift]:
    name = f"backend service {backend.name} of {target.title}"
    limits = _backend_wanted(target.policies.get("GCPBackendPolicy", {}))
    for difference in differences(limits, _backend_found(backend.service)):
        yield _finding(name, difference)
    wanted = _check_wanted(target.policies.get("HealthCheckPolicy", {}))
    if wanted:
        found = health_check_of(google, backend)
        for difference in differences(wanted, found or {}, (), ("healthCheck",)):
            yield _finding(name, difference)


def _targets(planned: Planned) -> Iterator[_Target]:
    found: dict[tuple[str, str, str], dict[str, Mapping[str, Any]]] = {}
    for item in planned.objects:
        if item.manifest["kind"] in _POLICIES:
            reference = item.manifest["spec"]["targetRef"]
            key = (item.manifest["metadata"]["namespace"], reference["kind"], reference["name"])
            found.setdefault(key, {})[item.manifest["kind"]] = item.manifest["spec"].get("default") or {}
    yield from (_Target(*key, policies) for key, policies in found.items())


def _backend_wanted(policy: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a GCPBackendPolicy as the Compute API calls them (BackendService)."""
    wanted = {key: policy[key] for key in ("timeoutSec", "connectionDraining", "securityPolicy") if key in policy}
    if "iap" in policy:
        wanted["iap"] = {"enabled": bool(policy["iap"].get("enabled"))}
    return wanted


def _backend_found(service: Mapping[str, Any]) -> dict[str, Any]:
    guard = str(service.get("securityPolicy") or "").rpartition("/")[2]
    iap = service.get("iap") or {}
    return {**service, "securityPolicy": guard or None, "iap": {"enabled": bool(iap.get("enabled"))}}


def _check_wanted(policy: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a HealthCheckPolicy as the Compute API calls them (HealthCheck), which are the same."""
    times = ("checkIntervalSec", "timeoutSec", "healthyThreshold", "unhealthyThreshold")
    return {**{key: policy[key] for key in times if key in policy}, **(policy.get("config") or {})}


def _finding(name: str, difference: Difference) -> Drift:
    """GKE writes what the policies say; `up` writes policies only."""
    return drifted(
        Kind.GOOGLE, name, Action.NOTHING, Action.NOTHING, difference.path, difference.wanted, difference.found
    )


def _unasked(target: _Target, failure: str, message: str) -> Finding:
    return unknown(failure, f"load balancer of {target.title}", message)
