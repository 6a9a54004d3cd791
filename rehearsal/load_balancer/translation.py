"""From the cluster's objects to Envoy's resources. Pure: the same objects give the same resources."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rehearsal.control_plane.services import Address
from rehearsal.gke.gateway.attachment import attached
from rehearsal.gke.gateway.world import Key, KubeObject, key_of
from rehearsal.load_balancer.backends import Backends
from rehearsal.load_balancer.clusters import clusters, endpoints
from rehearsal.load_balancer.discovery import Resources
from rehearsal.load_balancer.listeners import Certificate, listener
from rehearsal.load_balancer.model import Backend, Defaults, Objects
from rehearsal.load_balancer.routes import route_configuration

# Gateway, port of its listener -> port on 127.0.0.1.
PortOf = Callable[[Key, int], int]
# A Gateway's own address, port of its listener -> whether a process of ours may listen there.
MayListen = Callable[[str, int], bool]
# Gateway, one of its HTTPS listeners -> certificates.
CertificatesOf = Callable[[KubeObject, Mapping[str, Any]], tuple[Certificate, ...]]


@dataclass(frozen=True)
class Front:
    """One listener of a served Gateway."""

    gateway: Key
    listener: Mapping[str, Any]
    port: int
    certificates: tuple[Certificate, ...]
    routes: tuple[KubeObject, ...]
    # Where clients of the Gateway look for it: its address and the listener's own port.
    own: tuple[str, int] | None = None

    @property
    def id(self) -> str:
        """Unique."""
        return f"{'_'.join(self.gateway)}_{self.listener['name']}"


@dataclass(frozen=True)
class Plan:
    """What is served: listeners, their routes' configurations, backends, and which routes use which backend."""

    fronts: tuple[Front, ...]
    configurations: Mapping[str, Mapping[str, Any]]
    backends: Mapping[str, Backend]
    users: Mapping[str, tuple[str, ...]]


def is_programmed(gateway: KubeObject) -> bool:
    """Whether a Gateway is served."""
    conditions = (gateway.get("status") or {}).get("conditions") or ()
    return any((item["type"], item["status"]) == ("Programmed", "True") for item in conditions)


def plan(objects: Objects, defaults: Defaults, port_of: PortOf, certificates_of: CertificatesOf) -> Plan:
    """Everything that is served."""
    backends = Backends(objects, defaults)
    users: dict[str, list[str]] = {}

    def find(route: KubeObject, reference: Mapping[str, Any]) -> Backend | None:
        backend = backends.of_reference(route, reference)
        if backend is not None:
            for name in (backend.id, *([backend.picker.backend] if backend.picker else [])):
                known = users.setdefault(name, [])
                if (user := "/".join(key_of(route))) not in known:
                    known.append(user)
        return backend

    fronts: list[Front] = []
    configurations = {}
    for key in sorted(objects.world.gateways):
        gateway = objects.world.gateways[key]
        if not is_programmed(gateway):
            continue
        made = list(_fronts(objects, gateway, port_of, certificates_of))
        https = next((item.port for item in made if item.listener["protocol"] == "HTTPS"), None)
        for front in made:
            configurations[front.id] = route_configuration(front.id, front.listener, front.routes, find, https)
        fronts += made
    return Plan(tuple(fronts), configurations, backends.found, {name: tuple(found) for name, found in users.items()})


def _fronts(objects: Objects, gateway: KubeObject, port_of: PortOf, certificates_of: CertificatesOf) -> Iterator[Front]:
    routes = list(attached(objects.world, gateway))
    for item in gateway["spec"]["listeners"]:
        is_https = item["protocol"] == "HTTPS"
        certificates = certificates_of(gateway, item) if is_https else ()
        if is_https and not certificates:  # without one Envoy would speak plain http
            continue
        port = port_of(key_of(gateway), item["port"])
        mine = tuple(route for route, names in routes if item["name"] in names)
        addresses = (gateway.get("status") or {}).get("addresses") or ()
        own = next(((str(entry["value"]), int(item["port"])) for entry in addresses), None)
        yield Front(key_of(gateway), item, port, certificates, mine, own)


def resources(
    served: Plan, healthy: Mapping[str, Collection[Address]], may_listen: MayListen = lambda *_: False
) -> Resources:
    """Everything that Envoy may ask for. `healthy` holds the addresses of each backend's healthy endpoints."""
    own = {item.id: item.own if item.own and may_listen(*item.own) else None for item in served.fronts}
    every = [served.backends[name] for name in sorted(served.backends)]
    return {
        "clusters": {item["name"]: item for backend in every for item in clusters(backend)},
        "endpoints": dict(item for backend in every for item in endpoints(backend, healthy.get(backend.id, ()))),
        "routes": served.configurations,
        "listeners": {item.id: listener(item.id, item.port, item.certificates, own[item.id]) for item in served.fronts},
    }
