"""Chips: the project's quota for them, and the reservation they are to come from. Neither says that a zone has any."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from catalog.preflight import QUOTA_SERVICE, QuotaId, quotas_of
from catalog.tpu import Generation, generations
from serving.checking.findings import Finding, failed, passed, unknown, warned
from serving.checking.gcloud import gcloud
from serving.google.errors import GOOGLE_FAILURES
from serving.google.quotas import Quota, find_quota, limit_for
from serving.preflight.context import Context
from serving.preflight.registry import check
from settings.text import count


@check(
    "quota",
    "The quota of each TPU family holds the chips of all replicas, and those of an update",
    "Cloud Quotas, quotaInfos.get",
    (*GOOGLE_FAILURES, "quota-too-small", "quota-no-room-for-update", "quota-not-listed", "quota-id-unknown"),
    requests=4,
)
def quota(context: Context) -> Iterator[Finding]:
    """The limit of the whole project in the region: chips that something else uses already come off it."""
    deployment = context.deployment
    needed = {(need.family, need.purchase): need for need in deployment.quota()}
    asked = set()
    for generation in dict.fromkeys(pool.shape.generation for pool in deployment.pools):
        for kind in dict.fromkeys(bought.kind for bought in deployment.purchases):
            ids = quotas_of(generation, kind)
            if not ids:
                yield passed(f"{generation} chips", "a reservation needs no quota")
            elif ids[0] not in asked:  # spot and flex-start draw on the same one
                asked.add(ids[0])
                need = needed[generations()[generation].quota_family, kind]
                yield _best([_quota(context, generation, item, need.steady, need.update) for item in ids])


def _best(results: list[Finding]) -> Finding:
    """Of several quotas that chips may come from, the one that has room; else the first."""
    order = ["pass", "warn", "unknown", "fail"]
    return min(results, key=lambda result: order.index(result.verdict.value))


def _quota(context: Context, generation: str, item: QuotaId, steady: int, update: int) -> Finding:
    title, dimensions = f"{item.id}: {generation} chips in {context.region}", item.dimensions(context.region)
    needed = count(update, "chip") + (
        f" ({steady} for the replicas, {update - steady} for an update)" if update > steady else ""
    )
    fix = request_more(context, item.id, dimensions, update, "small numbers are decided in minutes, others by people")
    found = known_limit(context, item.id, dimensions, title, needed, fix)
    if isinstance(found, Finding):
        return found
    quota, limit = found
    if limit < 0 or limit >= update:
        shown = f"{generation} chips unlimited" if limit < 0 else count(limit, f"{generation} chip")
        return passed(title, f"{shown}, {update} needed", needed)
    if limit >= steady:
        return warned("quota-no-room-for-update", title, needed=needed, message=count(limit, "chip"), fix=fix)
    fixed = "This quota is fixed; ask Google's sales team for more chips."
    fix = fix if quota.increasable else fixed
    return failed("quota-too-small", title, needed=needed, message=count(limit, "chip"), fix=fix)


def request_more(context: Context, quota_id: str, dimensions: dict[str, str], amount: int, advice: str) -> str:
    """The command that asks Google for a larger quota."""
    return gcloud(
        "quotas preferences create",
        f"--service={QUOTA_SERVICE}",
        f"--project={context.project}",
        f"--quota-id={quota_id}",
        f"--dimensions={','.join(f'{key}={value}' for key, value in dimensions.items())}",
        f"--preferred-value={amount}",
        "--email=YOU",
        say=f"Ask for more; {advice}:",
    )


def known_limit(
    context: Context, quota_id: str, dimensions: dict[str, str], title: str, needed: str, fix: str
) -> tuple[Quota, int] | Finding:
    """A quota with the limit in force (below 0: unlimited), or the finding that nobody knows it.

    Raises:
        CannotAskError: there is no answer.
    """
    found = find_quota(context.google, quota_id)
    if found is None:
        where = f"https://console.cloud.google.com/iam-admin/quotas?project={context.project}"
        look = f"Look for quotas of the Compute Engine API in the console:\n{where}"
        return unknown("quota-id-unknown", title, needed=needed, message="404", fix=look)
    limit = limit_for(found.limits, dimensions)
    if limit is None:
        entries = f"{len(found.limits)} entries, none for this region"
        return unknown("quota-not-listed", title, needed=needed, message=entries, fix=fix)
    return found, limit


@check(
    "reservation",
    "The reservation exists, is of this machine and has room",
    "Compute Engine, reservations.get",
    (
        *GOOGLE_FAILURES,
        "reservation-not-found",
        "reservation-not-ready",
        "reservation-of-another-machine",
        "reservation-not-by-name",
        "reservation-too-small",
        "reservation-in-use",
    ),
)
def reservation(context: Context) -> Iterator[Finding]:
    """Each lies in the zone of its pools, in this project or in the one that shares it."""
    for bought in context.deployment.purchases:
        if bought.reservation:
            yield from _reservation(context, bought.reservation, bought.zone)


def _reservation(context: Context, given: str, zone: str) -> Iterator[Finding]:
    owner, short = _owner(context, given)
    name = f"reservation {short} in {zone}"
    found = context.google.find("compute", "reservations.get", project=owner, zone=zone, reservation=short)
    if found is None:
        fix = gcloud("compute reservations list", f"--project={owner}", say="To see what there is, run:")
        yield failed("reservation-not-found", name, needed="it exists", message="404", fix=fix)
        return
    yield from _usable(name, found)
    for machine, nodes in _nodes(context).items():
        yield _room(context, name, found, machine, nodes)


def _owner(context: Context, name: str) -> tuple[str, str]:
    """Project and short name of `R` or `projects/P/reservations/R`."""
    parts = name.split("/")
    return (parts[1], parts[-1]) if parts[0] == "projects" and len(parts) > 2 else (context.project, parts[-1])


def _usable(name: str, found: dict[str, Any]) -> Iterator[Finding]:
    status = str(found.get("status", "no status"))
    if status not in ("READY", "UPDATING"):
        fix = "Wait until it is READY." if status == "CREATING" else "Name another reservation."
        yield failed("reservation-not-ready", name, needed="READY", message=status, fix=fix)
    if not found.get("specificReservationRequired", False):
        yield warned(
            "reservation-not-by-name",
            name,
            needed="specificReservationRequired: true",
            message="false: VMs that name no reservation take from it, too",
            fix="Make one with --require-specific-reservation.",
        )


def _nodes(context: Context) -> dict[str, int]:
    """Machine type -> nodes of all replicas."""
    nodes: dict[str, int] = {}
    for model in context.deployment.models:
        machine = model.shape.machine_type
        nodes[machine] = nodes.get(machine, 0) + model.most_replicas * model.shape.hosts
    return nodes


def _room(context: Context, name: str, found: dict[str, Any], machine: str, nodes: int) -> Finding:
    aggregate = found.get("aggregateReservation")
    if aggregate is not None:
        generation = next(
            generations()[pool.shape.generation]
            for pool in context.deployment.pools
            if pool.shape.machine_type == machine
        )
        chips = next(p.shape.chips_per_host for p in context.deployment.pools if p.shape.machine_type == machine)
        return _aggregate_room(name, aggregate, generation, nodes * chips)
    specific = found.get("specificReservation") or {}
    of = str((specific.get("instanceProperties") or {}).get("machineType", "no machine"))
    if of.rpartition("/")[2] != machine:
        fix = f"Name a reservation of {machine}, or write the slice of the reserved machine."
        return failed("reservation-of-another-machine", name, needed=machine, message=of, fix=fix)
    total, used = int(specific.get("count", 0)), int(specific.get("inUseCount", 0))
    return _compared(name, nodes, total, used, f"nodes of {machine}")


def _aggregate_room(name: str, aggregate: dict[str, Any], generation: Generation, chips: int) -> Finding:
    family = str(aggregate.get("vmFamily", "no family"))
    if not family.endswith(f"_{generation.quota_family}"):
        needed = f"vmFamily ..._{generation.quota_family}"
        fix = "Name a reservation of this TPU generation."
        return failed("reservation-of-another-machine", name, needed=needed, message=family, fix=fix)
    total, used = _chips(aggregate.get("reservedResources")), _chips(aggregate.get("inUseResources"))
    return _compared(name, chips, total, used, "chips")


def _chips(resources: list[dict[str, Any]] | None) -> int:
    return sum(int((item.get("accelerator") or {}).get("acceleratorCount", 0)) for item in resources or ())


def _compared(name: str, needed: int, total: int, used: int, unit: str) -> Finding:
    found = f"{total} {unit}, {used} in use"
    if total < needed:
        fix = "Enlarge the reservation, or write fewer replicas."
        return failed("reservation-too-small", name, needed=f"{needed} {unit}", message=found, fix=fix)
    if total - used < needed:
        fix = "See who uses it; what runs of this environment already counts as well."
        return warned("reservation-in-use", name, needed=f"{needed} {unit} free", message=found, fix=fix)
    return passed(name, found, f"{needed} {unit}")
