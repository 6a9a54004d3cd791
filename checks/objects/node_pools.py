"""Rules on GKE node pools with TPUs (TP01, TP02, TP06 to TP09, TP12)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from catalog.tpu import TPU_RESOURCE, SliceShape, generations
from checks.objects.check import Context, Found, Scope, on_each, on_whole
from checks.objects.resource import NODE_POOL, RESOURCE_POLICY, Resource
from checks.objects.values import get, items, mapping, number, text
from checks.shared import slices

_SPECIFIC = "SPECIFIC_RESERVATION"
_NONE = "NO_RESERVATION"


def _machine(pool: Resource) -> str:
    """The machine type of a TPU pool, `""` of any other."""
    machine_type = text(pool.inputs, "nodeConfig", "machineType")
    return machine_type if slices.is_tpu_machine(machine_type) else ""


def _generation(pool: Resource) -> str | None:
    shapes = slices.machines().get(_machine(pool), ())
    return shapes[0].generation if shapes else None


def _topology(pool: Resource) -> str:
    return text(pool.inputs, "placementPolicy", "tpuTopology")


def _shape(pool: Resource) -> SliceShape | None:
    """The slice of a pool that names a topology."""
    return slices.find_machine_shape(_machine(pool), _topology(pool)) if _topology(pool) else None


@on_each("TP01", NODE_POOL)
def slice_exists(pool: Resource, _: Context) -> Iterator[Found]:
    """Machine type and topology form a slice."""
    machine_type = _machine(pool)
    if not machine_type:
        return
    if (problem := slices.machine_problem(machine_type)) is not None:
        yield Found(pool, ("nodeConfig", "machineType"), machine_type, *problem)
    elif (topology := _topology(pool)) and (problem := slices.topology_problem(machine_type, topology)) is not None:
        yield Found(pool, ("placementPolicy", "tpuTopology"), topology, *problem)


@on_each("TP02", NODE_POOL)
def placement_for_several_hosts(pool: Resource, _: Context) -> Iterator[Found]:
    """A placement policy exactly for slices of several hosts, in the form its generation needs."""
    placement, generation = get(pool.inputs, "placementPolicy"), _generation(pool)
    if not isinstance(placement, Mapping) or generation is None:
        return
    shape, kind = _shape(pool), text(placement, "type")
    if shape is not None and not shape.multi_host:
        said = f"{shape.machine_type} forms {shape.topology} on one host."
        yield Found(pool, ("placementPolicy",), dict(placement), said, "Remove placementPolicy.")
    elif generations()[generation].workload_policy:
        if kind:
            said = "The API answers without a type; a declared one replaces the pool at every up."
            fix = 'Write type: "" and policyName: <workload policy>.'
            yield Found(pool, ("placementPolicy", "type"), kind, said, fix)
    elif kind != "COMPACT":
        said = "A slice of several hosts is placed compactly."
        yield Found(pool, ("placementPolicy", "type"), kind or None, said, "Write type: COMPACT.")


@on_whole("TP02", graph=True)
def no_policy_for_one_host(scope: Scope) -> Iterator[Found]:
    """A pool of single hosts names no workload policy of the stack: "TPU topology can't be specified" (GKE, 400)."""
    policies = {policy.name: policy for policy in scope.of(RESOURCE_POLICY)}
    for pool in scope.of(NODE_POOL):
        policy = policies.get(text(pool.inputs, "placementPolicy", "policyName"))
        topology = text(policy.inputs, "workloadPolicy", "acceleratorTopology") if policy else ""
        shape = slices.find_machine_shape(_machine(pool), topology) if topology else None
        if policy is not None and shape is not None and not shape.multi_host:
            said = f"{policy.label} is of {topology}, which {shape.machine_type} forms on one host."
            yield Found(pool, ("placementPolicy", "policyName"), policy.name, said, "Remove placementPolicy.")


@on_each("TP02", NODE_POOL)
def one_zone_for_a_slice(pool: Resource, _: Context) -> Iterator[Found]:
    """Nodes that are placed compactly are in one zone."""
    zones = items(pool.inputs, "nodeLocations")
    if text(pool.inputs, "placementPolicy", "type") == "COMPACT" and len(zones) > 1:
        said = "Nodes that are placed compactly are in one zone."
        yield Found(pool, ("nodeLocations",), zones, said, f"Write nodeLocations: [{zones[0]}], and a pool a zone.")


@on_each("TP06", NODE_POOL)
def labels_are_gkes(pool: Resource, _: Context) -> Iterator[Found]:
    """Labels and taint of TPU nodes are left to GKE."""
    for key, value in mapping(pool.inputs, "nodeConfig", "labels").items():
        if key.startswith(slices.OWNED_LABELS):
            yield Found(pool, ("nodeConfig", "labels", key), value, "GKE sets this label itself.", f"Remove {key}.")
    for index, taint in enumerate(items(pool.inputs, "nodeConfig", "taints")):
        if text(taint, "key") == TPU_RESOURCE:
            at = ("nodeConfig", "taints", index)
            yield Found(pool, at, TPU_RESOURCE, "GKE sets this taint itself.", "Remove the taint.")


@on_each("TP06", "Node")
def node_labels_are_gkes(node: Resource, _: Context) -> Iterator[Found]:
    """Nobody writes GKE's TPU labels on a node."""
    for key, value in mapping(node.inputs, "metadata", "labels").items():
        if key.startswith(slices.OWNED_LABELS):
            yield Found(node, ("metadata", "labels", key), value, "GKE sets this label itself.", f"Remove {key}.")


@on_each("TP07", NODE_POOL)
def upgrades_need_no_spare_slice(pool: Resource, _: Context) -> Iterator[Found]:
    """An upgrade takes a node away before it makes another; of flex-start pools GKE decides that itself (SHORT_LIVED)."""
    if not _machine(pool) or get(pool.inputs, "nodeConfig", "flexStart") is True:
        return
    settings = mapping(pool.inputs, "upgradeSettings")
    surge, away = number(settings, "maxSurge"), number(settings, "maxUnavailable")
    strategy = text(settings, "strategy") or "SURGE"
    if strategy != "SURGE" or surge != 0 or away != 1:
        given = {key: settings[key] for key in ("strategy", "maxSurge", "maxUnavailable") if key in settings}
        said = "An upgrade would wait for chips that are not there."
        fix = "Write upgradeSettings: {strategy: SURGE, maxSurge: 0, maxUnavailable: 1}."
        yield Found(pool, ("upgradeSettings",), given or None, said, fix)


@on_each("TP08", NODE_POOL)
def whole_slices_only(pool: Resource, _: Context) -> Iterator[Found]:
    """A pool of several hosts is one slice: all of its nodes or none."""
    shape = _shape(pool)
    if shape is None or not shape.multi_host:
        return
    whole = {0, shape.hosts}
    limits: tuple[tuple[tuple[str, ...], set[int]], ...] = (
        (("nodeCount",), whole),
        (("initialNodeCount",), whole),
        (("autoscaling", "minNodeCount"), whole),
        (("autoscaling", "totalMinNodeCount"), whole),
        (("autoscaling", "maxNodeCount"), {shape.hosts}),
        (("autoscaling", "totalMaxNodeCount"), {shape.hosts}),
    )
    for path, allowed in limits:
        count = number(pool.inputs, *path)
        if count is not None and count not in allowed:
            said = f"A {shape.topology} slice of {shape.machine_type} has {shape.hosts} nodes."
            fix = f"Write {path[-1]}: {shape.hosts if shape.hosts == max(allowed) else min(allowed)}."
            yield Found(pool, path, count, said, fix)


@on_each("TP09", NODE_POOL)
def purchase_is_legal(pool: Resource, _: Context) -> Iterator[Found]:
    """Spot, flex-start and reservation in the combinations GKE takes."""
    if not _machine(pool):
        return
    config = mapping(pool.inputs, "nodeConfig")
    kind = text(config, "reservationAffinity", "consumeReservationType")
    chosen = [key for key in ("spot", "preemptible", "flexStart") if get(config, key) is True]
    chosen += ["reservationAffinity"] if kind and kind != _NONE else []
    if len(chosen) > 1:
        said = f"{' and '.join(chosen)} exclude each other."
        yield Found(pool, ("nodeConfig", chosen[-1]), chosen, said, f"Keep one of {', '.join(chosen)}.")
    if kind == _SPECIFIC and not (
        text(config, "reservationAffinity", "key") and items(config, "reservationAffinity", "values")
    ):
        fix = "Write key: compute.googleapis.com/reservation-name and values: [<reservation>]."
        yield Found(pool, ("nodeConfig", "reservationAffinity"), kind, "No reservation is named.", fix)
    if get(config, "flexStart") is True:
        yield from _flex_start(pool, config, kind)


def _flex_start(pool: Resource, config: Mapping[str, Any], reservation: str) -> Iterator[Found]:
    duration = text(config, "maxRunDuration")
    seconds = number(duration.removesuffix("s"))
    if duration and (seconds is None or seconds > slices.FLEX_START_SECONDS):
        fix = f"Write maxRunDuration: {slices.FLEX_START_SECONDS}s, or less."
        yield Found(pool, ("nodeConfig", "maxRunDuration"), duration, "Flex-start nodes live at most 7 days.", fix)
    if get(pool.inputs, "management", "autoRepair") is not False:
        said = "Flex-start nodes end by themselves and are not repaired."
        value = get(pool.inputs, "management", "autoRepair")
        yield Found(pool, ("management", "autoRepair"), value, said, "Write autoRepair: false.")
    if number(pool.inputs, "nodeCount"):
        said = "Flex-start nodes come by autoscaling."
        yield Found(
            pool, ("nodeCount",), number(pool.inputs, "nodeCount"), said, "Write autoscaling: {minNodeCount: 0, ...}."
        )
    if not reservation:
        said = "Flex-start does not support reservations, and the pool has to say so."
        fix = f"Write reservationAffinity: {{consumeReservationType: {_NONE}}}."
        yield Found(pool, ("nodeConfig", "reservationAffinity"), None, said, fix)


@on_each("TP12", NODE_POOL)
def accelerator_of_the_api(pool: Resource, _: Context) -> Iterator[Found]:
    """The compute API's accelerator name, not the node label's value."""
    for index, accelerator in enumerate(items(pool.inputs, "nodeConfig", "guestAccelerators")):
        name = text(accelerator, "type")
        if (problem := slices.accelerator_problem(name)) is not None:
            yield Found(pool, ("nodeConfig", "guestAccelerators", index, "type"), name, *problem)
