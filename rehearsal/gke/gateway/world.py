"""Everything the Gateway controller looks at, as it stands at one moment."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

KubeObject = Mapping[str, Any]
Key = tuple[str, str]

GATEWAY_GROUP = "gateway.networking.k8s.io"
POLICY_KINDS = ("HealthCheckPolicy", "GCPBackendPolicy", "GCPGatewayPolicy")


def key_of(obj: KubeObject) -> Key:
    """(namespace, name)."""
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def title(obj: KubeObject) -> str:
    """`namespace/name`, as GKE's messages have it."""
    return "/".join(key_of(obj))


@dataclass(frozen=True)
class NamedAddress:
    """A reserved address of the project. `region` is "" for a global one."""

    name: str
    region: str
    address: str
    type: str
    purpose: str


@dataclass(frozen=True)
class Cloud:
    """What the controller asks Google Cloud about the cluster's VPC and region."""

    region: str
    proxy_only_subnet: bool
    addresses: Sequence[NamedAddress] = ()


@dataclass(frozen=True)
class World:
    """All objects by (namespace, name). `classes` are the names of the accepted GatewayClasses of GKE.

    `addresses` is the range from which a Gateway without a named address gets one; None: all get 127.0.0.1.
    """

    cloud: Cloud
    classes: frozenset[str] = frozenset()
    gateways: Mapping[Key, KubeObject] = field(default_factory=dict)
    routes: Mapping[Key, KubeObject] = field(default_factory=dict)
    pools: Mapping[Key, KubeObject] = field(default_factory=dict)
    services: Mapping[Key, KubeObject] = field(default_factory=dict)
    secrets: frozenset[Key] = frozenset()
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    grants: Sequence[KubeObject] = ()
    policies: Sequence[KubeObject] = ()
    addresses: ipaddress.IPv4Network | None = None

    def granted(self, kind_from: tuple[str, str], namespace: str, group: str, kind: str, target: Key) -> bool:
        """Whether a reference across namespaces is allowed by a ReferenceGrant; one inside a namespace always is."""
        if namespace == target[0]:
            return True
        return any(
            key_of(grant)[0] == target[0]
            and any((f["group"], f["kind"], f["namespace"]) == (*kind_from, namespace) for f in grant["spec"]["from"])
            and any(
                (t["group"], t["kind"]) == (group, kind) and t.get("name") in (None, target[1])
                for t in grant["spec"]["to"]
            )
            for grant in self.grants
        )

    def route_backends(self, route: KubeObject) -> Iterator[Mapping[str, Any]]:
        """Every backend reference of a route, mirrors included."""
        for rule in route["spec"].get("rules") or ():
            yield from rule.get("backendRefs") or ()
            for item in rule.get("filters") or ():
                if "requestMirror" in item:
                    yield item["requestMirror"]["backendRef"]


def backend_of(route: KubeObject, reference: Mapping[str, Any]) -> tuple[str, str, Key]:
    """(group, kind, key) of a backend reference."""
    namespace = reference.get("namespace") or key_of(route)[0]
    return reference.get("group") or "", reference.get("kind") or "Service", (namespace, reference["name"])
