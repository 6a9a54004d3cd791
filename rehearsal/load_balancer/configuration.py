"""What Envoy is told, from the templates of `envoy.yaml`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from rehearsal.control_plane.services import Address
from rehearsal.gke.gateway.objects import KubeObject
from rehearsal.load_balancer.backends import Backend

Config = dict[str, Any]


@cache
def _templates() -> Config:
    data: Config = yaml.safe_load(Path(__file__).with_name("envoy.yaml").read_text(encoding="utf-8"))
    return data


def fill(template: str, /, **values: Any) -> Any:
    """A template with its values; one of None leaves its field out. A name without a value is another template's."""

    def filled(node: Any) -> Any:
        if isinstance(node, dict):
            items = {key: filled(value) for key, value in node.items()}
            return {key: value for key, value in items.items() if value is not None}
        if isinstance(node, list):
            return [filled(item) for item in node]
        if not isinstance(node, str) or not node.startswith("$"):
            return node
        return values[node[1:]] if node[1:] in values else fill(node[1:])

    return filled(_templates()[template])


def check_name(backend: str) -> str:
    """The cluster that is asked for a backend's health."""
    return f"check_{backend}"


def clusters(backend: Backend) -> Iterator[Config]:
    """Two: one takes traffic and holds the healthy endpoints only, the other is only asked for the health of all.

    Envoy's `override_host` takes the picker's choice even where the health check of the same cluster says no.
    """
    is_picker = backend.kind == "EndpointPicker"
    tls = fill("upstream_tls", alpn=["h2"] if is_picker else []) if is_picker or backend.tls else None
    policy, http2 = fill("picked" if backend.picker else "round_robin"), fill("http2") if is_picker else None
    yield fill("cluster", name=backend.id, policy=policy, checks=None, protocol=http2, tls=tls)
    check = backend.check
    asked = fill(
        "health_check",
        timeout=seconds(check.timeout),
        interval=seconds(check.interval),
        healthy=check.healthy,
        unhealthy=check.unhealthy,
        http=None if is_picker else fill("http_health_check", path=check.path),
        grpc={} if is_picker else None,
    )
    yield fill("cluster", name=check_name(backend.id), policy=None, checks=[asked], protocol=http2, tls=None)


def endpoints(backend: Backend, healthy: Collection[Address]) -> Iterator[tuple[str, Config]]:
    """Name and endpoints of both clusters."""
    traffic = [item.address for item in backend.endpoints if item.address in healthy]
    asked = dict.fromkeys(item.probe for item in backend.endpoints)
    for name, addresses in ((backend.id, traffic), (check_name(backend.id), asked)):
        found = [{"endpoint": {"address": _socket(address)}} for address in addresses]
        yield name, fill("assignment", name=name, endpoints=found)


def _socket(address: Address) -> Config:
    return {"socket_address": {"address": address[0], "port_value": address[1]}}


def routes(name: str, hostname: str | None, found: Iterable[Config]) -> Config:
    """The routes of a listener: the longest prefix first, and an abort where none matches."""
    ordered = sorted(found, key=lambda item: -len(item["match"].get("path_separated_prefix", "")))
    return dict(fill("routes", name=name, hostname=hostname or "*", routes=[*ordered, fill("no_route")]))


def redirect(prefix: str, port: int | None) -> Config:
    """To https, at the port that is the Gateway's https port here, if it has one."""
    return dict(fill("redirect", match=_match(prefix), port=port))


def route(prefix: str, replacement: str | None, backend: Backend) -> Config:
    """To a backend, with the prefix replaced where a replacement is given."""
    rewrite = picking = None
    if replacement is not None:
        # Whole path elements, never two slashes after another, never an empty path.
        old, new = re.escape(prefix.rstrip("/")), replacement.rstrip("/")
        regex, substitution = (f"^{old}", new) if new else (f"^{old}/*", "/")
        rewrite = {"pattern": {"regex": regex}, "substitution": substitution}
    if backend.picker:
        picking = fill("picking", picker=backend.picker, fail_open=backend.fail_open)
    limit, target = seconds(backend.time_limit), backend.id
    return dict(fill("route", match=_match(prefix), cluster=target, timeout=limit, rewrite=rewrite, filters=picking))


def _match(prefix: str) -> Config:
    value = prefix.rstrip("/")
    return {"path_separated_prefix": value} if value else {"prefix": "/"}


def listener(
    name: str,
    addresses: Iterable[Address],
    pair: tuple[str, str] | None,
    client_authority: str | None,
    rules: Config | None,
) -> Config:
    """A listener on these addresses; its routes have the same name. With a pair (chain, key; PEM) it speaks TLS, with an
    authority (PEM) to clients only that show a certificate of it. `rules` are RBAC's; None lets everybody in."""
    first, *further = map(_socket, addresses)
    trusted = {"trusted_ca": {"inline_string": client_authority}} if client_authority else None
    asks = True if client_authority else None
    tls = fill("downstream_tls", chain=pair[0], key=pair[1], asks=asks, trusted=trusted) if pair else None
    more = [{"address": item} for item in further]
    return dict(fill("listener", name=name, address=first, further=more, tls=tls, rules=rules))


def let_in(policies: Iterable[KubeObject]) -> Config | None:
    """RBAC's rules for authorization policies: with any, only what an ALLOW rule matches; None where there are none.

    Without a source a rule is for everybody. A service account or tag of a VM is nobody's here.
    """
    found = list(policies)
    if not found:
        return None
    rules = [rule for policy in found for rule in policy["spec"].get("rules") or ()]
    return {"action": "ALLOW", "policies": {str(number): _rule(rule) for number, rule in enumerate(rules)}}


def _rule(rule: KubeObject) -> Config:
    sources = (rule.get("from") or {}).get("sources")
    principals = [p["principal"]["value"] for source in sources or () for p in source.get("principals") or ()]
    paths = [p["value"] for op in (rule.get("to") or {}).get("operations") or () for p in op.get("paths") or ()]
    known: list[Config] = [{"authenticated": {"principal_name": {"exact": value}}} for value in principals]
    return {
        "principals": [{"any": True}] if sources is None else known or [{"not_id": {"any": True}}],
        "permissions": [{"url_path": {"path": {"prefix": value}}} for value in paths] or [{"any": True}],
    }


def seconds(value: float) -> str:
    """A duration in protobuf's JSON."""
    return f"{value:g}s"
