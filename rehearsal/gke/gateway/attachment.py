"""Which listeners of a Gateway a route attaches to (the Gateway API's own rules)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rehearsal.gke.gateway.world import GATEWAY_GROUP, Key, KubeObject, World, key_of

_NAMESPACE_LABEL = "kubernetes.io/metadata.name"


def parent_key(route: KubeObject, parent: Mapping[str, Any]) -> Key | None:
    """The Gateway a parentRef names; None where it names something else."""
    if (parent.get("group", GATEWAY_GROUP), parent.get("kind", "Gateway")) != (GATEWAY_GROUP, "Gateway"):
        return None
    return parent.get("namespace") or key_of(route)[0], parent["name"]


def listeners_of(
    world: World, gateway: KubeObject, route: KubeObject, parent: Mapping[str, Any]
) -> tuple[list[str], str]:
    """Names of the listeners that a parentRef attaches the route to, and the reason where there are none."""
    named = [item for item in gateway["spec"]["listeners"] if parent.get("sectionName") in (None, item["name"])]
    if not named:
        return [], "NoMatchingParent"
    allowed = [item for item in named if _allows(world, gateway, route, item)]
    if not allowed:
        return [], "NotAllowedByListeners"
    matching = [item["name"] for item in allowed if _hostname_matches(route, item)]
    return matching, "" if matching else "NoMatchingListenerHostname"


def attached(world: World, gateway: KubeObject) -> Iterator[tuple[KubeObject, list[str]]]:
    """Every attached route with the names of its listeners, by name of the route."""
    for key in sorted(world.routes):
        route = world.routes[key]
        names: list[str] = []
        for parent in route["spec"].get("parentRefs") or ():
            if parent_key(route, parent) == key_of(gateway):
                names += [name for name in listeners_of(world, gateway, route, parent)[0] if name not in names]
        if names:
            yield route, names


def _allows(world: World, gateway: KubeObject, route: KubeObject, listener: Mapping[str, Any]) -> bool:
    rules = listener.get("allowedRoutes") or {}
    kinds = rules.get("kinds") or [{"kind": "HTTPRoute"}]
    if not any((k.get("group", GATEWAY_GROUP), k["kind"]) == (GATEWAY_GROUP, "HTTPRoute") for k in kinds):
        return False
    namespaces = rules.get("namespaces") or {}
    source = namespaces.get("from", "Same")
    if source == "All":
        return True
    namespace = key_of(route)[0]
    if source == "Selector":
        return _selects(namespaces.get("selector") or {}, namespace, world.namespaces.get(namespace, {}))
    return source == "Same" and namespace == key_of(gateway)[0]


def _selects(selector: Mapping[str, Any], namespace: str, labels: Mapping[str, str]) -> bool:
    present = {_NAMESPACE_LABEL: namespace, **labels}
    if any(present.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for item in selector.get("matchExpressions") or ():
        value, values = present.get(item["key"]), item.get("values") or []
        holds = {
            "In": value in values,
            "NotIn": value not in values,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }
        if not holds[item["operator"]]:
            return False
    return True


def _hostname_matches(route: KubeObject, listener: Mapping[str, Any]) -> bool:
    own, wanted = listener.get("hostname"), route["spec"].get("hostnames") or []
    return not own or not wanted or any(_intersect(own, name) for name in wanted)


def _intersect(one: str, other: str) -> bool:
    """Whether two names, each perhaps with a wildcard in front, have a name in common."""
    if one.startswith("*.") and other.startswith("*."):
        return one.endswith(other[1:]) or other.endswith(one[1:])
    if one.startswith("*."):
        return other.endswith(one[1:])
    return one.endswith(other[1:]) if other.startswith("*.") else one == other
