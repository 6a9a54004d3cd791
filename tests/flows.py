"""What Kubernetes' NetworkPolicies let through: the rules of "Network Policies" (Kubernetes documentation), in our words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

Policy = dict[str, Any]


@dataclass(frozen=True)
class End:
    """One end of a connection: a pod, or an address that is none."""

    namespace: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    address: str = ""

    @property
    def is_pod(self) -> bool:
        return bool(self.namespace)


def allowed(policies: Iterable[Policy], source: End, target: End, port: int, protocol: str = "TCP") -> bool:
    """Whether the source's policies let the connection out and the target's let it in."""
    mine = list(policies)
    out = _direction(mine, "Egress", "egress", "to", source, target, port, protocol)
    return out and _direction(mine, "Ingress", "ingress", "from", target, source, port, protocol)


def _direction(
    policies: list[Policy], kind: str, rules: str, peers: str, subject: End, other: End, port: int, protocol: str
) -> bool:
    if not subject.is_pod:
        return True
    selecting = [
        policy
        for policy in policies
        if policy["metadata"]["namespace"] == subject.namespace
        and kind in policy["spec"]["policyTypes"]
        and _selects(policy["spec"]["podSelector"], subject.labels)
    ]
    return not selecting or any(
        _port_fits(rule.get("ports"), port, protocol)
        and (peers not in rule or any(_peer(peer, other, policy["metadata"]["namespace"]) for peer in rule[peers]))
        for policy in selecting
        for rule in policy["spec"].get(rules, [])
    )


def _port_fits(ports: list[dict[str, Any]] | None, port: int, protocol: str) -> bool:
    return not ports or any((one["port"], one["protocol"]) == (port, protocol) for one in ports)


def _peer(peer: dict[str, Any], end: End, namespace: str) -> bool:
    if "ipBlock" in peer:
        return bool(end.address) and ip_address(end.address) in ip_network(peer["ipBlock"]["cidr"])
    if not end.is_pod:
        return False
    if "namespaceSelector" in peer:
        named = _selects(peer["namespaceSelector"], {"kubernetes.io/metadata.name": end.namespace})
    else:
        named = end.namespace == namespace
    return named and _selects(peer.get("podSelector", {}), end.labels)


def _selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for wanted in selector.get("matchExpressions", []):
        assert wanted["operator"] == "NotIn"  # the only one that we write
        if labels.get(wanted["key"]) in wanted["values"]:
            return False
    return True
