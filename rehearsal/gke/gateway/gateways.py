"""What GKE refuses of a Gateway itself: address, certificates, proxy-only subnet (GWCER102, GWCER105, GWCER106)."""

from __future__ import annotations

import ipaddress
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from checks.shared.gateway import LISTENER_OPTIONS
from rehearsal.gke.classes import GatewayClass, gateway_classes
from rehearsal.gke.gateway.world import GATEWAY_GROUP, KubeObject, NamedAddress, World, key_of, title

_CERTMAP = "networking.gke.io/certmap"
_PROTOCOLS = ("HTTP", "HTTPS")
_PROXY_ONLY = (
    "error cause: gceSync: generic::invalid_argument: Insert: An active proxy-only subnetwork is required in the same "
    "region and VPC as the forwarding rule."
)


@dataclass(frozen=True)
class Problem:
    """Why a Gateway is not programmed. `listeners`: (condition, reason) that turns False, by listener's name."""

    message: str
    listeners: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def problem(world: World, gateway: KubeObject) -> Problem | None:
    """The first thing that stops a Gateway by itself; None where nothing does."""
    facts = gateway_classes()[gateway["spec"]["gatewayClassName"]]
    return next(_problems(world, gateway, facts), None)


def _problems(world: World, gateway: KubeObject, facts: GatewayClass) -> Iterator[Problem]:
    everywhere = [item["name"] for item in gateway["spec"]["listeners"]]
    for what in _address(world, gateway, facts):
        message = f'Error GWCER106: Gateway "{title(gateway)}" is invalid, err: {what}.'
        yield Problem(message, dict.fromkeys(everywhere, ("Accepted", "UnsupportedAddress")))
    for listener in gateway["spec"]["listeners"]:
        for message, reason in _listener(world, gateway, listener):
            yield Problem(message, {listener["name"]: reason})
    if facts.regional and not world.cloud.proxy_only_subnet:
        yield Problem(_PROXY_ONLY)


def _address(world: World, gateway: KubeObject, facts: GatewayClass) -> Iterator[str]:
    for item in gateway["spec"].get("addresses") or ():
        kind, value = item.get("type", "IPAddress"), item.get("value", "")
        if kind != "NamedAddress":
            yield f'unsupported address type "{kind}", only "NamedAddress" is supported.'
            continue
        found = _named(world, value, facts)
        if found is None:
            yield f'address "{value}" does not exist'
        elif facts.exposure.upper() != found.type:
            yield f'address "{value}" has the type {found.type}, {facts.exposure.upper()} is needed'
        elif facts.exposure == "internal" and found.purpose != "SHARED_LOADBALANCER_VIP":
            yield f'address "{value}" has the purpose "{found.purpose}", "SHARED_LOADBALANCER_VIP" is needed'


def _named(world: World, name: str, facts: GatewayClass) -> NamedAddress | None:
    region = world.cloud.region if facts.regional else ""
    return next((a for a in world.cloud.addresses if (a.name, a.region) == (name, region)), None)


def _listener(world: World, gateway: KubeObject, listener: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, str]]]:
    invalid = f'Gateway "{title(gateway)}" is invalid, err:'
    if listener["protocol"] not in _PROTOCOLS:
        yield (
            f"Error GWCER106: {invalid} unsupported protocol {listener['protocol']}.",
            ("Accepted", "UnsupportedProtocol"),
        )
        return
    if listener["protocol"] == "HTTP":
        return
    tls = listener.get("tls") or {}
    reference = "ResolvedRefs", "InvalidCertificateRef"
    for key in tls.get("options") or {}:
        if key not in LISTENER_OPTIONS:
            yield f'Error GWCER105: {invalid} invalid TLS option key "{key}".', ("Accepted", "Invalid")
    for item in tls.get("certificateRefs") or ():
        target = item.get("namespace") or key_of(gateway)[0], item["name"]
        if (item.get("group", ""), item.get("kind", "Secret")) != ("", "Secret"):
            yield f"Error GWCER106: {invalid} unsupported certificate kind {item.get('kind')}.", reference
        elif not world.granted((GATEWAY_GROUP, "Gateway"), key_of(gateway)[0], "", "Secret", target):
            yield (
                f"Error GWCER106: {invalid} no ReferenceGrant for Secret {'/'.join(target)}.",
                (
                    "ResolvedRefs",
                    "RefNotPermitted",
                ),
            )
        elif target not in world.secrets:
            yield f"Error GWCER102: Secret {'/'.join(target)} not found.", reference
    sources = [bool(tls.get("certificateRefs")), *(key in (tls.get("options") or {}) for key in LISTENER_OPTIONS)]
    if sum(sources) > 1:
        yield f"Error GWCER106: {invalid} more than one source of certificates.", reference
    elif not any(sources) and _CERTMAP not in (gateway["metadata"].get("annotations") or {}):
        yield f"Error GWCER106: {invalid} no certificates specified for protocol HTTPS.", reference


def address(world: World, gateway: KubeObject, taken: set[str]) -> str:
    """The address of a Gateway: the named one's, the one it has, or the next free one of the range."""
    facts = gateway_classes()[gateway["spec"]["gatewayClassName"]]
    for item in gateway["spec"].get("addresses") or ():
        found = _named(world, item.get("value", ""), facts)
        if found is not None:
            return found.address
    if world.addresses is None:
        return "127.0.0.1"
    own = [item["value"] for item in (gateway.get("status") or {}).get("addresses") or ()]
    inside = [value for value in own if ipaddress.ip_address(value) in world.addresses and value not in taken]
    return inside[0] if inside else _free(world.addresses, title(gateway), taken)


def _free(range_: ipaddress.IPv4Network, name: str, taken: set[str]) -> str:
    # The last addresses belong to the rehearsal itself; the place depends on the name, so that it stays the same.
    usable = [str(item) for item in list(range_.hosts())[:-8]]
    start = zlib.crc32(name.encode()) % len(usable)
    return next(value for value in (*usable[start:], *usable[:start]) if value not in taken)
