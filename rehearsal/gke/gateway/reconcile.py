"""From everything that is there to the statuses that should be written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from catalog.gke import POOL_GROUP
from rehearsal.gke.classes import controller_name, gateway_classes
from rehearsal.gke.gateway import gateways, policies, routes
from rehearsal.gke.gateway.attachment import attached, listeners_of, parent_key
from rehearsal.gke.gateway.conditions import Condition, complete, condition, equal
from rehearsal.gke.gateway.world import GATEWAY_GROUP, Key, KubeObject, World, backend_of, key_of, title

_HEALTHY = "networking.gke.io/GatewayHealthy"


@dataclass(frozen=True)
class Change:
    """A status to write, and what an event says about it; no event where `message` is empty."""

    object: KubeObject
    status: dict[str, Any]
    message: str
    failed: bool


@dataclass(frozen=True)
class _Gateway:
    """A Gateway of ours: its own problem, the problems of its routes, and what stops it."""

    object: KubeObject
    own: gateways.Problem | None
    routes: Mapping[Key, list[routes.Problem]]
    counts: Mapping[str, int]

    @property
    def stopped(self) -> str | None:
        """No error isolation: one bad route stops the whole Gateway."""
        if self.own is not None:
            return self.own.message
        return next((found[0].stops for found in self.routes.values() if found), None)


def changes(world: World, now: str) -> list[Change]:
    """Statuses that differ from those the objects have. `now` is the time of a change, in RFC 3339."""
    judged = {
        key_of(gateway): _judge(world, gateway)
        for gateway in world.gateways.values()
        if gateway["spec"]["gatewayClassName"] in world.classes
    }
    wanted = [*_gateways(world, judged, now), *_routes(world, judged, now), *_pools(world, judged, now)]
    wanted += _policies(world, now)
    return [change for change in wanted if not equal(change.status, _owned(change))]


def _owned(change: Change) -> dict[str, Any]:
    """The part of the present status that is ours."""
    status = change.object.get("status") or {}
    kind = change.object["kind"]
    owned = {"Gateway": ("addresses", "conditions", "listeners")}.get(kind, tuple(change.status))
    return {key: status[key] for key in owned if key in status}


def _judge(world: World, gateway: KubeObject) -> _Gateway:
    counts = {listener["name"]: 0 for listener in gateway["spec"]["listeners"]}
    found = {}
    for route, names in attached(world, gateway):
        found[key_of(route)] = routes.problems(world, route, gateway["spec"]["gatewayClassName"])
        for name in names:
            counts[name] += 1
    return _Gateway(gateway, gateways.problem(world, gateway), found, counts)


def _gateways(world: World, judged: Mapping[Key, _Gateway], now: str) -> Iterator[Change]:
    taken = {str(s["spec"].get("clusterIP")) for s in world.services.values()}
    for key in sorted(judged):
        gateway = judged[key]
        obj, stopped = gateway.object, gateway.stopped
        before = obj.get("status") or {}
        conditions = [
            condition("Accepted", True, "Accepted"),
            condition("Programmed", not stopped, "Invalid" if stopped else "Programmed", stopped or ""),
            condition(
                _HEALTHY,
                not stopped,
                "Error" if stopped else "Healthy",
                f"Gateway: Invalid : {stopped}" if stopped else "",
            ),
        ]
        status: dict[str, Any] = {
            "conditions": complete(conditions, before.get("conditions") or (), obj["metadata"]["generation"], now),
            "listeners": _listeners(gateway, now),
        }
        # A load balancer that was programmed once keeps its address.
        if not stopped or before.get("addresses"):
            value = gateways.address(world, obj, taken)
            taken.add(value)
            status["addresses"] = [{"type": "IPAddress", "value": value}]
        message = (
            f'failed to translate Gateway "{title(obj)}": {stopped}'
            if stopped
            else f"SYNC on {title(obj)} was a success"
        )
        yield Change(obj, status, message, bool(stopped))


def _listeners(gateway: _Gateway, now: str) -> list[dict[str, Any]]:
    obj, stopped = gateway.object, gateway.stopped
    before = {item["name"]: item for item in (obj.get("status") or {}).get("listeners") or ()}
    result = []
    for listener in obj["spec"]["listeners"]:
        name = listener["name"]
        bad, reason = gateway.own.listeners.get(name, ("", "")) if gateway.own else ("", "")
        text = stopped or ""
        conditions = [
            _unless("Accepted", bad, "Accepted", reason, text),
            _unless("ResolvedRefs", bad, "ResolvedRefs", reason, text),
            condition("Programmed", not stopped, "Invalid" if stopped else "Programmed", text),
        ]
        known = before.get(name, {}).get("conditions") or ()
        result.append(
            {
                "name": name,
                "attachedRoutes": gateway.counts[name],
                "supportedKinds": [{"group": GATEWAY_GROUP, "kind": "HTTPRoute"}],
                "conditions": complete(conditions, known, obj["metadata"]["generation"], now),
            }
        )
    return result


def _unless(kind: str, bad: str, good: str, reason: str, message: str) -> Condition:
    return condition(kind, False, reason, message) if kind == bad else condition(kind, True, good)


def _routes(world: World, judged: Mapping[Key, _Gateway], now: str) -> Iterator[Change]:
    for key in sorted(world.routes):
        route = world.routes[key]
        before = (route.get("status") or {}).get("parents") or []
        foreign = [item for item in before if item["controllerName"] != controller_name()]
        parents, failures = [], []
        for parent in route["spec"].get("parentRefs") or ():
            gateway = judged.get(parent_key(route, parent) or ("", ""))
            if gateway is None:
                continue
            conditions = _route_conditions(world, gateway, route, parent)
            known = next((item["conditions"] for item in before if item["parentRef"] == parent), ())
            parents.append(
                {
                    "parentRef": dict(parent),
                    "controllerName": controller_name(),
                    "conditions": complete(conditions, known, route["metadata"]["generation"], now),
                }
            )
            failures += [item["message"] for item in conditions if item["status"] == "False"]
        if parents or len(before) > len(foreign):
            message = failures[0] if failures else f'Bind of HTTPRoute "{title(route)}" was a success'
            yield Change(route, {"parents": [*foreign, *parents]}, message, bool(failures))


def _route_conditions(world: World, gateway: _Gateway, route: KubeObject, parent: Mapping[str, Any]) -> list[Condition]:
    names, reason = listeners_of(world, gateway.object, route, parent)
    if not names:
        text = f'Gateway "{title(gateway.object)}" has no listener for HTTPRoute "{title(route)}"'
        return [
            condition("Accepted", False, reason, text),
            condition("ResolvedRefs", True, "ResolvedRefs"),
            condition("Reconciled", False, "ReconciliationFailed", text),
        ]
    found = gateway.routes[key_of(route)]
    by_type = {item.condition: item for item in reversed(found)}
    conditions = []
    for kind in ("Accepted", "ResolvedRefs"):
        bad = by_type.get(kind)
        conditions.append(condition(kind, not bad, bad.reason if bad else kind, bad.message if bad else ""))
    blocked = found[0].message if found else ""
    if not found and gateway.stopped:
        blocked = f"error cause: no-error-isolation: {gateway.stopped}"
    done = "ReconciliationFailed" if blocked else "ReconciliationSucceeded"
    return [*conditions, condition("Reconciled", not blocked, done, blocked)]


def _pools(world: World, judged: Mapping[Key, _Gateway], now: str) -> Iterator[Change]:
    for key in sorted(world.pools):
        pool = world.pools[key]
        before = (pool.get("status") or {}).get("parents") or []
        foreign = [item for item in before if item.get("controllerName") not in (None, controller_name())]
        parents = []
        for gateway in (judged[name] for name in sorted(judged)):
            conditions = _pool_conditions(world, gateway, key)
            if conditions is None:
                continue
            namespace, name = key_of(gateway.object)
            reference = {"group": GATEWAY_GROUP, "kind": "Gateway", "name": name, "namespace": namespace}
            known = next((item.get("conditions") or () for item in before if item["parentRef"] == reference), ())
            parents.append(
                {
                    "parentRef": reference,
                    "controllerName": controller_name(),
                    "conditions": complete(conditions, known, pool["metadata"]["generation"], now),
                }
            )
        if parents or len(before) > len(foreign):
            yield Change(pool, {"parents": [*foreign, *parents]}, "", False)


def _pool_conditions(world: World, gateway: _Gateway, key: Key) -> list[Condition] | None:
    """None where no route of the Gateway reaches the pool."""
    users = [
        route
        for route in gateway.routes
        if any(
            backend_of(world.routes[route], item) == (POOL_GROUP, "InferencePool", key)
            for item in world.route_backends(world.routes[route])
        )
    ]
    if not users:
        return None
    class_name = gateway.object["spec"]["gatewayClassName"]
    refusals = [[item for item in gateway.routes[route] if item.condition == "Accepted"] for route in users]
    if not gateway_classes()[class_name].inference_pool:
        text = f"GatewayClass {class_name} does not support InferencePool backends."
        accepted = condition("Accepted", False, "NotSupportedByParent", text)
    elif all(refusals):
        accepted = condition("Accepted", False, "HTTPRouteNotAccepted", refusals[0][0].message)
    else:
        accepted = condition("Accepted", True, "Accepted")
    missing = routes.picker_problem(world, key)
    return [
        accepted,
        condition("ResolvedRefs", not missing, "InvalidExtensionRef" if missing else "ResolvedRefs", missing or ""),
    ]


def _policies(world: World, now: str) -> Iterator[Change]:
    for policy, wanted in policies.attached(world):
        known = (policy.get("status") or {}).get("conditions") or ()
        conditions = complete([wanted], known, policy["metadata"]["generation"], now)
        failed = wanted["status"] == "False"
        message = f'Application of {policy["kind"]} "{title(policy)}" was a success'
        yield Change(policy, {"conditions": conditions}, wanted["message"] if failed else message, failed)
