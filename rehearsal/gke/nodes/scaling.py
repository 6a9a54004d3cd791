"""The cluster autoscaler's decisions: which nodes pending pods need, and which nodes nobody needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rehearsal.gke.nodes import node as objects
from rehearsal.gke.nodes.fit import Resources, parse, refusal, requests
from rehearsal.gke.nodes.machines import capacity
from rehearsal.gke.nodes.pools import POOL_LABEL, SLICE_ANNOTATION, Pool

Obj = Mapping[str, Any]


@dataclass(frozen=True)
class Order:
    """Nodes of a pool that are to be made together."""

    pool: Pool
    zone: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class PodEvent:
    """What the autoscaler says about a pending pod."""

    pod: Obj
    type: str
    reason: str
    message: str


@dataclass
class Plan:
    """What is to be done. `needed` are nodes on which a pending pod has its place."""

    orders: list[Order] = field(default_factory=list)
    events: list[PodEvent] = field(default_factory=list)
    needed: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class State:
    """What the autoscaler sees. `ordered` nodes are being made; `chips_left` by quota family, absent: no limit."""

    pools: Sequence[Pool]
    nodes: Sequence[Obj]
    pods: Sequence[Obj]
    ordered: Sequence[Order] = ()
    stockouts: Collection[str] = ()
    chips_left: Mapping[str, int] = field(default_factory=dict)


@dataclass
class _Place:
    """Room on a node that is there, ordered or imagined."""

    name: str
    labels: Mapping[str, str]
    taints: Sequence[Obj]
    free: Resources


def is_pending(pod: Obj) -> bool:
    """The scheduler has found no node for it."""
    return (
        not pod["spec"].get("nodeName")
        and not pod["metadata"].get("deletionTimestamp")
        and any(
            c["type"] == "PodScheduled" and c["status"] == "False" and c.get("reason") == "Unschedulable"
            for c in (pod.get("status") or {}).get("conditions") or ()
        )
    )


def uses_resources(pod: Obj) -> bool:
    """It is not finished."""
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def occupies(pod: Obj) -> bool:
    """It keeps its node from being removed: neither finished nor one of a DaemonSet."""
    owners = pod["metadata"].get("ownerReferences") or ()
    return uses_resources(pod) and not any(owner["kind"] in ("DaemonSet", "Node") for owner in owners)


def scale_up(state: State) -> Plan:
    """Orders for what pending pods need, oldest pod first."""
    plan = Plan()
    places = [*_present(state), *(_new_place(o.pool, o.zone, n) for o in state.ordered for n in o.names)]
    chips = dict(state.chips_left)
    pending = [pod for pod in state.pods if is_pending(pod)]
    for pod in sorted(pending, key=lambda item: str(item["metadata"].get("creationTimestamp", ""))):
        if not _put(pod, places, plan):
            _grow(pod, state, plan, places, chips)
    return plan


def _present(state: State) -> list[_Place]:
    places = []
    for node in state.nodes:
        spec = node.get("spec") or {}
        if spec.get("unschedulable") or node["metadata"].get("deletionTimestamp"):
            continue
        free = parse((node.get("status") or {}).get("allocatable") or {})
        for pod in state.pods:
            if pod["spec"].get("nodeName") == node["metadata"]["name"] and uses_resources(pod):
                for name, amount in requests(pod).items():
                    free[name] = free.get(name, type(amount)(0)) - amount
        # What a node's own conditions put on it passes by itself.
        taints = [t for t in spec.get("taints") or () if not t["key"].startswith("node.kubernetes.io/")]
        places.append(_Place(node["metadata"]["name"], node["metadata"].get("labels") or {}, taints, free))
    return places


def _new_place(pool: Pool, zone: str, name: str) -> _Place:
    made = objects.node(pool, zone, name, "")
    free = parse(capacity(pool.machine, pool.disk_gib, pool.max_pods)[1])
    return _Place(name, made["metadata"]["labels"], pool.taints, free)


def _put(pod: Obj, places: Iterable[_Place], plan: Plan) -> bool:
    for place in places:
        if refusal(pod, place.labels, place.taints, place.free) is None:
            for name, amount in requests(pod).items():
                place.free[name] -= amount
            plan.needed.add(place.name)
            return True
    return False


def _grow(pod: Obj, state: State, plan: Plan, places: list[_Place], chips: dict[str, int]) -> None:
    """Order nodes of the first pool that can have them, or say why there are none."""
    reasons: Counter[str] = Counter()
    failed: dict[str, set[str]] = {}
    for pool in state.pools:
        if pool.maximum is None:
            continue
        sample = _new_place(pool, pool.zones[0], "")
        why = _zoneless_refusal(pod, pool, sample)
        if why is not None:
            reasons[why] += 1
            continue
        zones = [
            z for z in pool.zones if refusal(pod, _new_place(pool, z, "").labels, pool.taints, sample.free) is None
        ]
        counts = _counts(pool, state, plan)
        room = [zone for zone in zones if _has_room(pool, counts, zone)]
        if not room:
            reasons["max node group size reached"] += 1
            continue
        stocked = [zone for zone in room if zone not in state.stockouts]
        if not stocked:
            failed.setdefault("GCE out of resources", set()).update(room)
            continue
        needed = pool.unit * pool.machine.chips
        if needed > chips.get(pool.family, needed):
            failed.setdefault("GCE quota exceeded", set()).update(stocked)
            continue
        if pool.family in chips:
            chips[pool.family] -= needed
        _order(pod, pool, min(stocked, key=lambda zone: counts[zone]), state, plan, places)
        return
    plan.events.append(_failure(pod, failed, reasons))


def _zoneless_refusal(pod: Obj, pool: Pool, sample: _Place) -> str | None:
    """Why no zone of the pool helps; None where one does."""
    found = [refusal(pod, _new_place(pool, zone, "").labels, pool.taints, sample.free) for zone in pool.zones]
    return None if None in found else found[0]


def _failure(pod: Obj, failed: Mapping[str, set[str]], reasons: Mapping[str, int]) -> PodEvent:
    if failed:
        zones = ", ".join(sorted(set().union(*failed.values())))
        text = (
            f"Node scale up in zones {zones} associated with this pod failed: {', '.join(sorted(failed))}. "
            "Pod is at risk of not being scheduled."
        )
        return PodEvent(pod, "Warning", "FailedScaleUp", text)
    text = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    return PodEvent(pod, "Normal", "NotTriggerScaleUp", f"pod didn't trigger scale-up: {text}")


def _counts(pool: Pool, state: State, plan: Plan) -> Counter[str]:
    """Nodes of a pool by zone, those to come included."""
    counts = Counter(dict.fromkeys(pool.zones, 0))
    for node in state.nodes:
        labels = node["metadata"].get("labels") or {}
        if labels.get(POOL_LABEL) == pool.name:
            counts[labels["topology.kubernetes.io/zone"]] += 1
    for order in (*state.ordered, *plan.orders):
        if order.pool.id == pool.id:
            counts[order.zone] += len(order.names)
    return counts


def _has_room(pool: Pool, counts: Counter[str], zone: str) -> bool:
    assert pool.maximum is not None
    zone_maximum = pool.zone_maximum or pool.maximum
    return counts.total() + pool.unit <= pool.maximum and counts[zone] + pool.unit <= zone_maximum


def _order(pod: Obj, pool: Pool, zone: str, state: State, plan: Plan, places: list[_Place]) -> None:
    order = new_order(pool, zone, pool.unit, state, plan.orders)
    before = _counts(pool, state, plan)[zone]
    plan.orders.append(order)
    added = [_new_place(pool, zone, name) for name in order.names]
    places += added
    _put(pod, added, plan)
    group = order.names[0].rsplit("-", 1)[0]
    text = (
        f"pod triggered scale-up: [{{https://www.googleapis.com/compute/v1/projects/{pool.project}/zones/{zone}"
        f"/instanceGroups/{group}-grp {before}->{before + pool.unit} (max: {pool.maximum})}}]"
    )
    plan.events.append(PodEvent(pod, "Normal", "TriggeredScaleUp", text))


def new_order(pool: Pool, zone: str, count: int, state: State, orders: Sequence[Order] = ()) -> Order:
    """An order for nodes with free names."""
    taken = {node["metadata"]["name"] for node in state.nodes}
    taken |= {name for order in (*state.ordered, *orders) for name in order.names}
    free = objects.names(pool, zone, taken)
    return Order(pool, zone, tuple(next(free) for _ in range(count)))


def idle_slices(state: State, needed: Collection[str]) -> dict[str, list[str]]:
    """Nodes that nobody needs, by slice: each pool down to its minimum, a slice only as a whole."""
    busy = {pod["spec"].get("nodeName") for pod in state.pods if occupies(pod)} | set(needed)
    idle: dict[str, list[str]] = {}
    for pool in state.pools:
        if pool.maximum is None:
            continue
        slices: dict[str, list[str]] = {}
        for node in state.nodes:
            if (node["metadata"].get("labels") or {}).get(POOL_LABEL) == pool.name:
                name = node["metadata"]["name"]
                key = (node["metadata"].get("annotations") or {}).get(SLICE_ANNOTATION, name)
                slices.setdefault(key, []).append(name)
        spare = sum(len(members) for members in slices.values()) - pool.minimum
        for key in sorted(slices, reverse=True):
            members = slices[key]
            if len(members) <= spare and not busy.intersection(members):
                idle[key] = members
                spare -= len(members)
    return idle
