"""The cluster autoscaler's decisions: which nodes pending pods need, and which nodes nobody needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from rehearsal.gke.nodes.pools import COMPUTE_CLASS, POOL_LABEL, SLICE_LABEL, ZONE_LABEL, Node, Pool

Pod = Mapping[str, Any]


# Pod, type, reason and message.
Event = tuple[Pod, str, str, str]


def scale_up(
    pools: Iterable[Pool],
    nodes: Iterable[Node],
    pods: Sequence[Pod],
    stockouts: Collection[str],
    gaps: Iterable[str] = (),
    classes: Mapping[str, Sequence[str]] | None = None,
) -> tuple[list[list[Node]], list[Event], set[str]]:
    """What pending pods need, oldest pod first: nodes to make, each list together; what is said of the pods; and the names
    of nodes, there or to come, that they will use. `nodes` are those that are there and those under way, `stockouts` zones
    or purchase models without machines, `gaps` says why further pools are not emulated, `classes` names the pools of each
    ComputeClass in order."""
    pools = list(pools)
    places = [(node, _free(node, pods)) for node in nodes]
    orders, events, needed = [], [], set()
    for pod in sorted(filter(_is_pending, pods), key=lambda item: str(item["metadata"].get("creationTimestamp"))):
        if all(_refusal(pod, *place) for place in places):
            made, said = _grow(pod, _in_order(pod, pools, classes or {}), [node for node, _ in places], stockouts, gaps)
            orders += [made] if made else []
            events += said
            places += [(node, _free(node, ())) for node in made]
        for node, free in places:
            if not _refusal(pod, node, free):
                free.subtract(_requests(pod))
                needed.add(node["metadata"]["name"])
                break
    return orders, events, needed


def order_of(compute_class: Mapping[str, Any]) -> list[str]:
    """Names of a class's pools, first the one that is tried first."""
    priorities = compute_class["spec"].get("priorities") or ()
    return [name for priority in priorities for name in priority.get("nodepools") or ()]


def _in_order(pod: Pod, pools: list[Pool], classes: Mapping[str, Sequence[str]]) -> list[Pool]:
    """The pools that may grow for a pod: of the class it selects in the class's order, else all."""
    wanted = (pod["spec"].get("nodeSelector") or {}).get(COMPUTE_CLASS)
    if wanted is None:
        return pools
    by_name = {pool.resource.name: pool for pool in pools}
    return [by_name[name] for name in classes.get(wanted, ()) if name in by_name]


def _grow(
    pod: Pod, pools: Iterable[Pool], nodes: Iterable[Node], stockouts: Collection[str], gaps: Iterable[str]
) -> tuple[list[Node], list[Event]]:
    """Nodes of the first pool that can have them, what is said of those passed over, or why there are none."""
    reasons, empty = list(gaps), set()
    for pool in pools:
        own = [item["metadata"] for item in nodes if item["metadata"]["labels"][POOL_LABEL] == pool.resource.name]
        every, zones = pool.resource.state["nodeLocations"], [item["labels"][ZONE_LABEL] for item in own]
        stocked = [zone for zone in every if zone not in stockouts and pool.purchase not in stockouts]
        zone = min(stocked or every, key=zones.count)
        made = pool.new(zone, [item["name"] for item in own])
        if why := _refusal(pod, made[0], _free(made[0], ())):
            reasons.append(why)
        elif len(own) + pool.unit > pool.bound("Max"):
            reasons.append("max node group size reached")
        elif not stocked:
            empty.update(every)
        else:
            sizes = f"{zones.count(zone)}->{zones.count(zone) + pool.unit} (max: {pool.bound('Max')})"
            text = f"pod triggered scale-up: [{{{made[0]['metadata']['name'].rpartition('-')[0]}-grp {sizes}}}]"
            return made, [*_out_of_stock(pod, empty), (pod, "Normal", "TriggeredScaleUp", text)]
    if empty:
        return [], _out_of_stock(pod, empty)
    text = ", ".join(f"{count} {reason}" for reason, count in sorted(Counter(reasons).items()))
    return [], [(pod, "Normal", "NotTriggerScaleUp", f"pod didn't trigger scale-up: {text}")]


def _out_of_stock(pod: Pod, zones: Collection[str]) -> list[Event]:
    if not zones:
        return []
    text = f"Node scale up in zones {', '.join(sorted(zones))} associated with this pod failed: GCE out of resources."
    return [(pod, "Warning", "FailedScaleUp", f"{text} Pod is at risk of not being scheduled.")]


def idle_slices(pools: Iterable[Pool], nodes: Sequence[Node], busy: Collection[str]) -> dict[str, list[str]]:
    """Nodes that nobody needs, by slice: each pool down to its minimum, a slice only as a whole."""
    idle: dict[str, list[str]] = {}
    for pool in pools:
        slices: dict[str, list[str]] = {}
        for metadata in (node["metadata"] for node in nodes):
            if metadata["labels"][POOL_LABEL] == pool.resource.name:
                slices.setdefault(metadata["labels"][SLICE_LABEL], []).append(metadata["name"])
        spare = sum(map(len, slices.values())) - pool.bound("Min")
        for name in sorted(slices, reverse=True):
            if len(slices[name]) <= spare and set(slices[name]).isdisjoint(busy):
                idle[name] = slices[name]
                spare -= len(slices[name])
    return idle


def running_on(node: Node, pods: Iterable[Pod]) -> list[Pod]:
    """The pods of a node that are not finished."""
    own = (pod for pod in pods if pod["spec"].get("nodeName") == node["metadata"]["name"])
    return [pod for pod in own if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")]


def _requests(pod: Pod) -> Counter[str]:
    total = Counter({"pods": 1000})
    for container in pod["spec"]["containers"]:
        total += _amounts(container.get("resources"), "requests")
    return total


def _free(node: Node, pods: Iterable[Pod]) -> Counter[str]:
    free = _amounts(node.get("status"), "allocatable")
    for pod in running_on(node, pods):
        free.subtract(_requests(pod))
    return free


def _amounts(resources: Mapping[str, Any] | None, key: str) -> Counter[str]:
    """In thousandths."""
    parse: Any = parse_quantity
    return Counter({name: int(parse(value) * 1000) for name, value in ((resources or {}).get(key) or {}).items()})


def _refusal(pod: Pod, node: Node, free: Counter[str]) -> str:
    """Why a pod does not fit, in the autoscaler's words; "" where it fits."""
    spec = pod["spec"]
    if node["spec"].get("unschedulable"):
        return "node(s) were unschedulable"
    if not (spec.get("nodeSelector") or {}).items() <= node["metadata"]["labels"].items():
        return "node(s) didn't match Pod's node affinity/selector"
    tolerated = {item.get("key") for item in spec.get("tolerations") or ()}
    for taint in node["spec"].get("taints") or ():
        # What a node's own conditions put on it passes by itself.
        if taint["key"] not in tolerated and not taint["key"].startswith("node.kubernetes.io/"):
            return f"node(s) had untolerated taint {{{taint['key']}: {taint['value']}}}"
    return next((f"Insufficient {name}" for name, amount in _requests(pod).items() if amount > free[name]), "")


def _is_pending(pod: Pod) -> bool:
    """The scheduler has found no node for it."""
    said = {item["type"]: item.get("reason") for item in (pod.get("status") or {}).get("conditions") or ()}
    waits = said.get("PodScheduled") == "Unschedulable" and not pod["spec"].get("nodeName")
    return waits and not pod["metadata"].get("deletionTimestamp")
