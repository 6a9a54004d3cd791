"""The statuses that the Gateway controller writes."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rehearsal.gke.gateway import problems
from rehearsal.gke.gateway.objects import (
    AUTHORIZATION,
    CLASSES,
    Cloud,
    Key,
    KubeObject,
    Objects,
    attached,
    authorizations,
    backends_of,
    key_of,
    title,
)
from rehearsal.gke.gateway.problems import Problem, not_emulated

CONTROLLER = "networking.gke.io/gateway"
_GROUP = "gateway.networking.k8s.io"
Condition = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """A status to write, and what an event says about it; no event where `message` is empty."""

    object: KubeObject
    status: dict[str, Any]
    message: str
    failed: bool


@dataclass(frozen=True)
class _Judged:
    """A Gateway of ours: what stops it by itself, its routes with reference and listeners, and each route's problems."""

    object: KubeObject
    own: Problem | None
    routes: Sequence[tuple[KubeObject, KubeObject, list[str]]]
    problems: Mapping[Key, list[Problem]]

    @property
    def stopped(self) -> str:
        """Why it is not programmed: one bad route is enough."""
        bad = [self.own, *(problem for found in self.problems.values() for problem in found)]
        return next((problem.message for problem in bad if problem), "")


def changes(objects: Objects, cloud: Cloud, now: str) -> list[Change]:
    """Statuses that differ from those the objects have. `now` is the time of a change, in RFC 3339."""
    classes = {name for _, name in objects["GatewayClass"]} & CLASSES.keys()
    ours = [item for item in objects["Gateway"].values() if item["spec"]["gatewayClassName"] in classes]
    judged = [_judge(objects, cloud, gateway) for gateway in ours]
    wanted = [*_gateways(objects, cloud, judged, now), *_routes(objects, judged, now), *_pools(objects, judged, now)]
    wanted += [*_policies(objects, now), *_authorizations(objects, judged, now)]
    present = [{key: (change.object.get("status") or {}).get(key) for key in change.status} for change in wanted]
    return [change for change, had in zip(wanted, present, strict=True) if _sorted(change.status) != _sorted(had)]


def _sorted(value: Any) -> Any:
    """Without the order of lists."""
    if isinstance(value, Mapping):
        return {key: _sorted(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted((_sorted(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value


def condition(kind: str, problem: str = "", reason: str = "") -> Condition:
    """False with the problem as message, or True with its own name as reason."""
    return {"type": kind, "status": "False" if problem else "True", "reason": reason or kind, "message": problem}


def complete(obj: KubeObject, wanted: Iterable[Condition], before: Any, now: str) -> list[Condition]:
    """The conditions with generation and time: one whose status is as before keeps its time."""
    known = {(item["type"], item["status"]): item["lastTransitionTime"] for item in before or ()}
    seen = {"observedGeneration": obj["metadata"]["generation"]}
    return [{**item, **seen, "lastTransitionTime": known.get((item["type"], item["status"]), now)} for item in wanted]


def _judge(objects: Objects, cloud: Cloud, gateway: KubeObject) -> _Judged:
    routes, class_name = list(attached(objects, gateway)), gateway["spec"]["gatewayClassName"]
    bad = {key_of(route): list(problems.of_route(objects, route, class_name)) for route, _, names in routes if names}
    return _Judged(gateway, next(problems.of_gateway(objects, cloud, gateway), None), routes, bad)


def _gateways(objects: Objects, cloud: Cloud, judged: Iterable[_Judged], now: str) -> Iterator[Change]:
    taken = {str(service["spec"].get("clusterIP")) for service in objects["Service"].values()}
    for gateway in judged:
        obj, stopped = gateway.object, gateway.stopped
        before, healthy = obj.get("status") or {}, "networking.gke.io/GatewayHealthy"
        conditions = [
            condition("Accepted"),
            condition("Programmed", stopped, "Invalid" if stopped else ""),
            condition(healthy, stopped and f"Gateway: Invalid : {stopped}", "Error" if stopped else "Healthy"),
        ]
        status: dict[str, Any] = {
            "conditions": complete(obj, conditions, before.get("conditions"), now),
            "listeners": list(_listeners(gateway, now)),
        }
        # A load balancer that was programmed once keeps its address.
        if not stopped or before.get("addresses"):
            value = _address(obj, cloud, taken)
            taken.add(value)
            status["addresses"] = [{"type": "IPAddress", "value": value}]
        failed = stopped and f'failed to translate Gateway "{title(obj)}": {stopped}'
        yield Change(obj, status, failed or f"SYNC on {title(obj)} was a success", bool(stopped))


def _address(gateway: KubeObject, cloud: Cloud, taken: set[str]) -> str:
    """The named address, the one that the Gateway has, or the next free one of the range."""
    for item in gateway["spec"].get("addresses") or ():
        if item["value"] in cloud.addresses:
            return cloud.addresses[item["value"]]
    own = [str(item["value"]) for item in (gateway.get("status") or {}).get("addresses") or ()]
    # The last addresses belong to the rehearsal itself; the place depends on the name, so that it stays the same.
    usable = [str(item) for item in list(cloud.range.hosts())[:-8]]
    start = zlib.crc32(title(gateway).encode()) % len(usable)
    return next(value for value in (*own, *usable[start:], *usable[:start]) if value in usable and value not in taken)


def _listeners(gateway: _Judged, now: str) -> Iterator[dict[str, Any]]:
    obj, stopped, own = gateway.object, gateway.stopped, gateway.own
    before = {item["name"]: item["conditions"] for item in (obj.get("status") or {}).get("listeners") or ()}
    for name in (item["name"] for item in obj["spec"]["listeners"]):
        bad = {own.condition: (stopped, own.reason)} if own and name in own.listeners else {}
        conditions = [condition(kind, *bad.get(kind, ())) for kind in ("Accepted", "ResolvedRefs")]
        conditions.append(condition("Programmed", stopped, "Invalid" if stopped else ""))
        yield {
            "name": name,
            "attachedRoutes": len({key_of(route) for route, _, names in gateway.routes if name in names}),
            "supportedKinds": [{"group": _GROUP, "kind": "HTTPRoute"}],
            "conditions": complete(obj, conditions, before.get(name), now),
        }


def _with_parents(
    obj: KubeObject, parents: Iterable[tuple[KubeObject, list[Condition]]], now: str, success: str = ""
) -> Iterator[Change]:
    """The status of an object that has conditions for each Gateway; none where it never had a Gateway."""
    before = (obj.get("status") or {}).get("parents") or []
    status, failures = [], []
    for parent, conditions in parents:
        known = next((item["conditions"] for item in before if item["parentRef"] == parent), ())
        done = complete(obj, conditions, known, now)
        status.append({"parentRef": parent, "controllerName": CONTROLLER, "conditions": done})
        failures += [item["message"] for item in conditions if item["status"] == "False"]
    if status or before:
        yield Change(obj, {"parents": status}, success and (failures or [success])[0], bool(failures))


def _routes(objects: Objects, judged: Sequence[_Judged], now: str) -> Iterator[Change]:
    for route in objects["HTTPRoute"].values():
        named = [(gateway, *item) for gateway in judged for item in gateway.routes if item[0] is route]
        parents = [(parent, _route_conditions(gateway, route, names)) for gateway, _, parent, names in named]
        yield from _with_parents(route, parents, now, f'Bind of HTTPRoute "{title(route)}" was a success')


def _route_conditions(gateway: _Judged, route: KubeObject, names: list[str]) -> list[Condition]:
    if not names:
        text = f'Gateway "{title(gateway.object)}" has no listener for HTTPRoute "{title(route)}"'
        failed = condition("Reconciled", text, "ReconciliationFailed")
        return [condition("Accepted", text, "NoMatchingParent"), condition("ResolvedRefs"), failed]
    found = gateway.problems[key_of(route)]
    first = {item.condition: (item.message, item.reason) for item in reversed(found)}
    conditions = [condition(kind, *first.get(kind, ())) for kind in ("Accepted", "ResolvedRefs")]
    isolated = gateway.stopped and f"error cause: no-error-isolation: {gateway.stopped}"
    blocked = found[0].message if found else isolated
    return [*conditions, condition("Reconciled", blocked, f"Reconciliation{'Failed' if blocked else 'Succeeded'}")]


def _pools(objects: Objects, judged: Sequence[_Judged], now: str) -> Iterator[Change]:
    for key, pool in objects["InferencePool"].items():
        parents = []
        for gateway in judged:
            taking = (route for route, _, names in gateway.routes if names)
            users = [one for one in taking if ("InferencePool", key) in [item[:2] for item in backends_of(one)]]
            namespace, name = key_of(gateway.object)
            parent = {"group": _GROUP, "kind": "Gateway", "name": name, "namespace": namespace}
            if users:
                parents.append((parent, _pool_conditions(gateway, users)))
        yield from _with_parents(pool, parents, now)


def _pool_conditions(gateway: _Judged, users: Sequence[KubeObject]) -> list[Condition]:
    class_name = gateway.object["spec"]["gatewayClassName"]
    refused = [[p.message for p in gateway.problems[key_of(user)] if p.condition == "Accepted"] for user in users]
    accepted = condition("Accepted")
    if not CLASSES[class_name]:
        text = f"GatewayClass {class_name} does not support InferencePool backends."
        accepted = condition("Accepted", text, "NotSupportedByParent")
    elif all(refused):
        accepted = condition("Accepted", refused[0][0], "HTTPRouteNotAccepted")
    return [accepted, condition("ResolvedRefs")]


def _authorizations(objects: Objects, judged: Sequence[_Judged], now: str) -> Iterator[Change]:
    """Status as of a policy of the Gateway API: one entry for each Gateway (the definition's `ancestors`)."""
    for policy in objects[AUTHORIZATION].values():
        own = [gateway.object for gateway in judged if policy in authorizations(objects, gateway.object)]
        before = (policy.get("status") or {}).get("ancestors") or []
        unknown, ancestors = not_emulated(policy), []
        for gateway in own:
            namespace, name = key_of(gateway)
            parent = {"group": _GROUP, "kind": "Gateway", "name": name, "namespace": namespace}
            known = next((item["conditions"] for item in before if item["ancestorRef"] == parent), ())
            conditions = complete(policy, [condition("Accepted", unknown, unknown and "Invalid")], known, now)
            ancestors.append({"ancestorRef": parent, "conditions": conditions, "controllerName": CONTROLLER})
        noted = not_emulated(policy, accepted=True)
        done = f'Application of {policy["kind"]} "{title(policy)}" was a success' + (noted and f"; {noted}")
        if ancestors or before:
            yield Change(policy, {"ancestors": ancestors}, unknown or done, bool(unknown))


def _policies(objects: Objects, now: str) -> Iterator[Change]:
    for policy, reason, problem in problems.of_policies(objects):
        before = (policy.get("status") or {}).get("conditions")
        conditions = complete(policy, [condition("Attached", problem, reason)], before, now)
        done = f'Application of {policy["kind"]} "{title(policy)}" was a success'
        noted = "; ".join(filter(None, (done, not_emulated(policy, accepted=True))))
        yield Change(policy, {"conditions": conditions}, problem or noted, bool(problem))
