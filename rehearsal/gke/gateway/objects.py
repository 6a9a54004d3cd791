"""The objects that the Gateway controller and the load balancer read, and what Google Cloud says about the cluster."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

KubeObject = Mapping[str, Any]
# (namespace, name)
Key = tuple[str, str]
# Kind -> key -> object.
Objects = Mapping[str, Mapping[Key, KubeObject]]

POLICIES = ("HealthCheckPolicy", "GCPBackendPolicy", "GCPGatewayPolicy")
AUTHORIZATION = "GCPAuthzPolicy"
KINDS: Mapping[str, str] = {
    **dict.fromkeys(("GatewayClass", "Gateway", "HTTPRoute"), "gateway.networking.k8s.io/v1"),
    **dict.fromkeys((*POLICIES, AUTHORIZATION), "networking.gke.io/v1"),
    **dict.fromkeys(("Service", "Secret", "ConfigMap", "Pod"), "v1"),
    "InferencePool": "inference.networking.k8s.io/v1",
}
# Whether the class is regional: only those are served by Envoys in a proxy-only subnet and take an InferencePool.
# Google "GatewayClass capabilities", "About GKE Inference Gateway"; read 2026-11-24.
CLASSES: Mapping[str, bool] = {
    "gke-l7-rilb": True,
    "gke-l7-regional-external-managed": True,
    "gke-l7-global-external-managed": False,
}


@dataclass(frozen=True)
class Cloud:
    """The cluster's VPC and region. A Gateway without a named address gets one of `range`."""

    proxy_only_subnet: bool
    range: ipaddress.IPv4Network
    addresses: Mapping[str, str] = field(default_factory=dict)


def key_of(obj: KubeObject) -> Key:
    """(namespace, name)."""
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def title(obj: KubeObject) -> str:
    """`namespace/name`, as in GKE's messages."""
    return "/".join(key_of(obj))


def by_kind(items: Iterable[KubeObject]) -> Objects:
    """The objects that are not being deleted, in the order of their keys."""
    found: dict[str, dict[Key, KubeObject]] = {kind: {} for kind in KINDS}
    for item in sorted(items, key=key_of):
        if not item["metadata"].get("deletionTimestamp"):
            found[item["kind"]][key_of(item)] = item
    return found


def attached(objects: Objects, gateway: KubeObject) -> Iterator[tuple[KubeObject, KubeObject, list[str]]]:
    """Each route that names a Gateway, its reference, and the listeners of its namespace and host name that take it."""
    namespace = key_of(gateway)[0]
    for key, route in objects["HTTPRoute"].items():
        hosts = set(route["spec"].get("hostnames") or ())
        listeners = [item for item in gateway["spec"]["listeners"] if hosts <= {item.get("hostname")}]
        for parent in route["spec"].get("parentRefs") or ():
            if (parent.get("namespace") or key[0], parent["name"]) == key_of(gateway):
                names = [item["name"] for item in listeners if parent.get("sectionName") in (None, item["name"])]
                yield route, parent, names if key[0] == namespace else []


def authorizations(objects: Objects, gateway: KubeObject) -> list[KubeObject]:
    """The authorization policies of a Gateway."""
    namespace, name = key_of(gateway)
    own = (item for key, item in objects[AUTHORIZATION].items() if key[0] == namespace)
    return [item for item in own if name in [target.get("name") for target in item["spec"].get("targetRefs") or ()]]


def client_authority(gateway: KubeObject) -> Key | None:
    """The ConfigMap with the authority of client certificates; None where the Gateway asks for none."""
    frontend = (gateway["spec"].get("tls") or {}).get("frontend") or {}
    for reference in frontend.get("default", {}).get("validation", {}).get("caCertificateRefs", ()):
        return key_of(gateway)[0], reference["name"]
    return None


def backends_of(route: KubeObject) -> Iterator[tuple[str, Key, int | None]]:
    """Kind, key and port of each backend of a route."""
    for rule in route["spec"].get("rules") or ():
        for item in rule.get("backendRefs") or ():
            yield item.get("kind") or "Service", (key_of(route)[0], item["name"]), item.get("port")
