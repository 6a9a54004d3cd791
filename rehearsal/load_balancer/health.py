"""Which endpoints are healthy, as Envoy's own health checks say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rehearsal.control_plane.services import Address
from rehearsal.load_balancer.clusters import check_name
from rehearsal.load_balancer.model import Backend

# Cluster and address -> whether it is healthy; what was not asked yet is not in it.
Verdicts = Mapping[tuple[str, Address], bool]


@dataclass(frozen=True)
class State:
    """The health of an endpoint and when it became so, in RFC 3339."""

    healthy: bool
    since: str


def verdicts(clusters: Mapping[str, Any]) -> Verdicts:
    """What Envoy's `/clusters?format=json` says about the endpoints that it has asked."""
    found = {}
    for cluster in clusters.get("cluster_statuses") or ():
        for host in cluster.get("host_statuses") or ():
            socket = host["address"]["socket_address"]
            status = host.get("health_status") or {}
            if not status.get("pending_active_hc"):
                address = socket["address"], int(socket["port_value"])
                found[cluster["name"], address] = not status.get("failed_active_health_check", False)
    return found


class Health:
    """Remembers each endpoint's state; one that is new is unhealthy until its first check passes."""

    def __init__(self) -> None:
        self._states: dict[tuple[str, Address], State] = {}

    def update(self, backends: Iterable[Backend], found: Verdicts, now: str) -> bool:
        """Take over what Envoy says; whether anything changed. Nothing said leaves a state as it is."""
        before = self._states
        self._states = {}
        for backend in backends:
            for endpoint in backend.endpoints:
                key = backend.id, endpoint.address
                old = before.get(key) or State(False, now)
                healthy = found.get((check_name(backend.id), endpoint.probe), old.healthy)
                self._states[key] = old if healthy == old.healthy else State(healthy, now)
        return self._states != before

    def state(self, backend: Backend, address: Address) -> State:
        """The state of an endpoint that was in the last update."""
        return self._states[backend.id, address]

    def healthy(self) -> dict[str, set[Address]]:
        """Addresses of the healthy endpoints, by backend."""
        found: dict[str, set[Address]] = {}
        for (backend, address), state in self._states.items():
            if state.healthy:
                found.setdefault(backend, set()).add(address)
        return found
