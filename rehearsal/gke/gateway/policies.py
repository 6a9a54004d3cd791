"""Policies: attached, in conflict with an older one, or without target."""

from __future__ import annotations

from collections.abc import Iterator

from catalog.gke import POOL_GROUP
from rehearsal.gke.gateway.conditions import Condition, condition
from rehearsal.gke.gateway.world import GATEWAY_GROUP, Key, KubeObject, World, key_of

_BACKENDS = {("", "Service"), (POOL_GROUP, "InferencePool")}
_TARGETS = {
    "HealthCheckPolicy": _BACKENDS,
    "GCPBackendPolicy": _BACKENDS,
    "GCPGatewayPolicy": {(GATEWAY_GROUP, "Gateway")},
}


def attached(world: World) -> Iterator[tuple[KubeObject, Condition]]:
    """Each policy with its condition `Attached`. Of several on one target the oldest is attached."""
    winners: dict[tuple[str, str, str, Key], KubeObject] = {}
    for policy in sorted(world.policies, key=_age):
        reference = policy["spec"]["targetRef"]
        kind = reference["group"], reference["kind"]
        key = key_of(policy)[0], reference["name"]
        if reference.get("namespace", key[0]) != key[0]:
            text = "a policy's target is in its own namespace"
            yield policy, condition("Attached", False, "Invalid", text)
        elif kind not in _TARGETS[policy["kind"]]:
            text = f'target kind "{kind[1]}" of group "{kind[0]}" is not supported'
            yield policy, condition("Attached", False, "Invalid", text)
        elif key not in _existing(world, kind[1]):
            yield policy, condition("Attached", False, "TargetNotFound", f"{kind[1]} {'/'.join(key)} not found")
        else:
            winner = winners.setdefault((policy["kind"], *kind, key), policy)
            if winner is policy:
                yield policy, condition("Attached", True, "Attached")
            else:
                text = f"{policy['kind']} {'/'.join(key_of(winner))} is attached to {kind[1]} {'/'.join(key)} already"
                yield policy, condition("Attached", False, "Conflicted", text)


def _existing(world: World, kind: str) -> set[Key]:
    return set({"Service": world.services, "InferencePool": world.pools, "Gateway": world.gateways}[kind])


def _age(policy: KubeObject) -> tuple[str, Key]:
    return policy["metadata"].get("creationTimestamp", ""), key_of(policy)
