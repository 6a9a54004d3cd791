"""What is served: listeners with their routes, and the backends behind them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rehearsal.control_plane.services import Address
from rehearsal.gke.gateway.objects import (
    Key,
    KubeObject,
    Objects,
    attached,
    authorizations,
    client_authority,
    key_of,
)
from rehearsal.load_balancer import configuration
from rehearsal.load_balancer.backends import Backend, Backends

Pair = tuple[str, str]


@dataclass(frozen=True)
class Front:
    """One listener of a programmed Gateway: on `port` of 127.0.0.1, and where its clients look for it."""

    gateway: Key
    listener: KubeObject
    port: int
    own: Address
    pair: Pair | None
    client_authority: str | None
    rules: configuration.Config | None
    routes: tuple[configuration.Config, ...]

    @property
    def id(self) -> str:
        """Unique."""
        return f"{'_'.join(self.gateway)}_{self.listener['name']}"


@dataclass(frozen=True)
class Plan:
    """Listeners, and backends by their id."""

    fronts: list[Front] = field(default_factory=list)
    backends: Mapping[str, Backend] = field(default_factory=dict)


def plan(
    objects: Objects, scale: float, port_of: Callable[[Key, int], int], pair_of: Callable[[Key, KubeObject], Pair]
) -> Plan:
    """What is served for these objects. `scale` multiplies every limit of a backend; `port_of` gives the port here of a
    Gateway's, `pair_of` certificate chain and key of a listener, PEM."""
    backends = Backends(objects, scale)
    made = Plan(backends=backends.found)
    for key, gateway in objects["Gateway"].items():
        conditions = (gateway.get("status") or {}).get("conditions") or ()
        if ("Programmed", "True") not in [(item["type"], item["status"]) for item in conditions]:
            continue
        listeners = gateway["spec"]["listeners"]
        authority = client_authority(gateway)
        trusted = objects["ConfigMap"][authority]["data"]["ca.crt"] if authority else None
        rules = configuration.let_in(authorizations(objects, gateway))
        secure = [port_of(key, item["port"]) for item in listeners if item["protocol"] == "HTTPS"]
        for item in listeners:
            mine = [route for route, _, names in attached(objects, gateway) if item["name"] in names]
            routes = tuple(config for route in mine for config in _routes(route, backends, secure))
            own = gateway["status"]["addresses"][0]["value"], item["port"]
            pair = pair_of(key, item) if item["protocol"] == "HTTPS" else None
            made.fronts.append(Front(key, item, port_of(key, item["port"]), own, pair, trusted, rules, routes))
    return made


def _routes(route: KubeObject, backends: Backends, secure: list[int]) -> Iterator[configuration.Config]:
    """Envoy's routes for an accepted HTTPRoute; a redirect leads to the first `secure` port."""
    for rule in route["spec"].get("rules") or ():
        filters = {item["type"]: item for item in rule.get("filters") or ()}
        rewrite = filters["URLRewrite"]["urlRewrite"]["path"] if "URLRewrite" in filters else {}
        for prefix in (match["path"]["value"] for match in rule["matches"]):
            if "RequestRedirect" in filters:
                yield configuration.redirect(prefix, secure[0] if secure else None)
            for reference in rule.get("backendRefs") or ():
                key = key_of(route)[0], reference["name"]
                backend = backends.of(reference.get("kind", "Service"), key, reference.get("port"))
                yield configuration.route(prefix, rewrite.get("replacePrefixMatch"), backend)


def resources(
    plan: Plan, healthy: Mapping[str, set[Address]], may_listen: Callable[[Address], bool]
) -> dict[str, dict[str, Any]]:
    """Everything that Envoy may ask for. `healthy` holds the addresses of each backend's healthy endpoints; a Gateway is
    served on its own address too where `may_listen` there."""
    every = [plan.backends[name] for name in sorted(plan.backends)]
    found: dict[str, dict[str, Any]] = {
        "clusters": {item["name"]: item for backend in every for item in configuration.clusters(backend)},
        "endpoints": dict(pair for one in every for pair in configuration.endpoints(one, healthy.get(one.id, ()))),
        "routes": {},
        "listeners": {},
    }
    for front in plan.fronts:
        addresses = [("127.0.0.1", front.port), *filter(may_listen, [front.own])]
        found["listeners"][front.id] = configuration.listener(
            front.id, addresses, front.pair, front.client_authority, front.rules
        )
        found["routes"][front.id] = configuration.routes(front.id, front.listener.get("hostname"), front.routes)
    return found
