"""What GKE rejects of Gateways, routes and policies (GWCER102, GWCER104, GWCER106), and what is not emulated."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from rehearsal.gke.gateway.objects import (
    CLASSES,
    POLICIES,
    Cloud,
    KubeObject,
    Objects,
    authorizations,
    backends_of,
    client_authority,
    key_of,
    title,
)

_PROXY_ONLY = (
    "error cause: gceSync: generic::invalid_argument: Insert: An active proxy-only subnetwork is required in the same "
    "region and VPC as the forwarding rule."
)


@dataclass(frozen=True)
class Problem:
    """Why a Gateway is not programmed. `condition` turns False, on the route or on these listeners of the Gateway."""

    message: str
    condition: str = ""
    reason: str = ""
    listeners: Collection[str] = ()


def of_gateway(objects: Objects, cloud: Cloud, gateway: KubeObject) -> Iterator[Problem]:
    """What stops a Gateway by itself."""
    listeners, regional = gateway["spec"]["listeners"], CLASSES[gateway["spec"]["gatewayClassName"]]
    if unknown := not_emulated(gateway):
        yield Problem(unknown)
    for item in gateway["spec"].get("addresses") or ():
        if not regional or item["value"] not in cloud.addresses:
            what = f'Gateway "{title(gateway)}" is invalid, err: address "{item["value"]}" does not exist.'
            every = [listener["name"] for listener in listeners]
            yield Problem(f"Error GWCER106: {what}", "Accepted", "UnsupportedAddress", every)
    for listener in listeners:
        for reference in (listener.get("tls") or {}).get("certificateRefs") or ():
            secret = key_of(gateway)[0], reference["name"]
            if secret not in objects["Secret"]:
                message = f"Error GWCER102: Secret {'/'.join(secret)} not found."
                yield Problem(message, "ResolvedRefs", "InvalidCertificateRef", [listener["name"]])
    authority = client_authority(gateway)
    if authority is not None and "ca.crt" not in (objects["ConfigMap"].get(authority, {}).get("data") or {}):
        secure = [listener["name"] for listener in listeners if listener["protocol"] == "HTTPS"]
        message = f"Error GWCER102: ConfigMap {'/'.join(authority)} with ca.crt not found."
        yield Problem(message, "ResolvedRefs", "InvalidCACertificateRef", secure)
    for policy in authorizations(objects, gateway):
        # What would be let through or kept out otherwise than on GKE must not look as if it worked.
        if unknown := not_emulated(policy):
            yield Problem(f"{policy['kind']} {title(policy)}: {unknown}")
    if regional and not cloud.proxy_only_subnet:
        yield Problem(_PROXY_ONLY)


def of_route(objects: Objects, route: KubeObject, class_name: str) -> Iterator[Problem]:
    """Everything wrong with a route at a Gateway of a class. Each stops the whole Gateway: GKE has no error isolation."""
    if unknown := not_emulated(route):
        yield Problem(unknown, "Accepted", "UnsupportedValue")
    for rule in route["spec"].get("rules") or ():
        if rule.get("timeouts") is not None:
            yield Problem(_misconfigured(route, "Timeouts are not supported."), "Accepted", "Invalid")
        if len(rule.get("backendRefs") or ()) > 1:
            yield Problem("not emulated: more than one backend of a rule", "Accepted", "UnsupportedValue")
    for kind, key, port in backends_of(route):
        name, found = "/".join(key), objects.get(kind, {}).get(key)
        if found is None:
            yield _unresolved(route, f"Error GWCER102: {kind.lower()}s {name} not found")
        elif kind == "InferencePool" and not CLASSES[class_name]:
            text = f"GatewayClass {class_name} does not support InferencePool backends."
            yield Problem(_misconfigured(route, text), "Accepted", "UnsupportedValue")
        elif kind == "Service" and port not in [item["port"] for item in found["spec"]["ports"]]:
            yield _unresolved(route, f"port {port} does not exist in service {name}")


def _misconfigured(route: KubeObject, what: str) -> str:
    return f'Error GWCER104: HTTPRoute "{title(route)}" is misconfigured, err: {what}'


def _unresolved(route: KubeObject, what: str) -> Problem:
    message = f"error cause: reference-not-found: {_misconfigured(route, what)}"
    return Problem(message, "ResolvedRefs", "BackendNotFound")


def of_policies(objects: Objects) -> Iterator[tuple[KubeObject, str, str]]:
    """Each policy with reason and problem of its condition `Attached`."""
    for policy in (item for kind in POLICIES for item in objects[kind].values()):
        kind, key = policy["spec"]["targetRef"]["kind"], (key_of(policy)[0], policy["spec"]["targetRef"]["name"])
        if unknown := not_emulated(policy):
            yield policy, "Invalid", unknown
        elif key not in objects[kind]:
            yield policy, "TargetNotFound", f"{kind} {'/'.join(key)} not found"
        else:
            yield policy, "Attached", ""


@cache
def _emulated() -> dict[str, dict[str, Any]]:
    """Kind -> field -> values."""
    data: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("emulated.yaml").read_text("utf-8"))
    return data


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(value, Mapping | list):
        yield path, value
    elif isinstance(value, list):
        yield from (leaf for item in value for leaf in _leaves(item, path))
    else:
        yield from (leaf for key, item in value.items() for leaf in _leaves(item, f"{path}.{key}" if path else key))


def not_emulated(obj: KubeObject, *, accepted: bool = False) -> str:
    """`not emulated: rules.retry.attempts`: fields that are rejected, or with `accepted` those without effect here; or ""."""
    fields, found = _emulated()[obj["kind"]], set()
    for path, value in _leaves(obj["spec"]):
        values = fields.get(path, [])
        without_effect, refused = values == "no effect", isinstance(values, list) and value not in values
        if without_effect if accepted else refused:
            found.add(path)
    return f"not emulated: {', '.join(sorted(found))}" if found else ""
