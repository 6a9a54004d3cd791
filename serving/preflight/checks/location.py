"""Region, zone, and the machines that the zone has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from catalog.zones import by_distance
from serving.checking.findings import Finding, failed, passed, warned
from serving.checking.gcloud import gcloud
from serving.google.client import last_part
from serving.google.errors import GOOGLE_FAILURES
from serving.preflight.context import Context
from serving.preflight.registry import check

_MOST_SHOWN = 5


@check(
    "location",
    "Region and zone exist and are up",
    "Compute Engine, regions.get and zones.get",
    (*GOOGLE_FAILURES, "place-not-found", "place-down", "zone-of-another-region", "place-deprecated"),
    requests=3,
)
def location(context: Context) -> Iterator[Finding]:
    """The zone is one of the region's."""
    region = context.google.find("compute", "regions.get", project=context.project, region=context.region)
    zone = context.google.find("compute", "zones.get", project=context.project, zone=context.zone)
    yield _place(context, "region", context.region, region)
    if zone is not None and last_part(zone.get("region")) != context.region:
        found = f"a zone of {last_part(zone.get('region'))}"
        fix = f"Write region: {last_part(zone.get('region'))}, or leave it out."
        name = f"zone {context.zone}"
        yield failed("zone-of-another-region", name, needed=f"a zone of {context.region}", message=found, fix=fix)
    else:
        yield _place(context, "zone", context.zone, zone)


def _place(context: Context, kind: str, name: str, found: dict[str, Any] | None) -> Finding:
    title = f"{kind} {name}"
    if found is None:
        fix = gcloud("compute", f"{kind}s", "list", f"--project={context.project}", say="To see what there is, run:")
        if kind == "zone":
            fix = _zones_of_region(context) or fix
        return failed("place-not-found", title, needed="it exists", message="404", fix=fix)
    if found.get("status") != "UP":
        fix = "Wait (status.cloud.google.com), or choose another zone."
        return failed("place-down", title, needed="UP", message=str(found.get("status")), fix=fix)
    state = (found.get("deprecated") or {}).get("state", "ACTIVE")
    if state != "ACTIVE":
        return warned("place-deprecated", title, needed="ACTIVE", message=state, fix="Choose another zone in time.")
    return passed(title, f"{name} UP")


def _zones_of_region(context: Context) -> str:
    """The fix that names the region's zones; "" where it has none."""
    found = context.google.listed("compute", "zones.list", project=context.project)
    zones = [str(item.get("name")) for item in found if last_part(item.get("region")) == context.region]
    return f"Write zone: {zones[0]} (zones of {context.region}: {', '.join(sorted(zones))})." if zones else ""


@check(
    "machine-types",
    "The zone has the machines of the TPU pools, the region those of the CPU pool",
    "Compute Engine, machineTypes.get and machineTypes.aggregatedList",
    (*GOOGLE_FAILURES, "machine-type-missing", "machine-type-deprecated"),
    requests=6,
)
def machine_types(context: Context) -> Iterator[Finding]:
    """Where a machine is not, the nearest zones that have it are named, as Google lists them now."""
    for machine, zone in dict.fromkeys((p.shape.machine_type, p.purchase.zone) for p in context.deployment.pools):
        yield _machine(context, machine, zone)
    yield _cpu_machine(context, context.deployment.settings.cluster.cpu_pool.machine_type)


def _machine(context: Context, machine: str, zone: str) -> Finding:
    found = context.google.find("compute", "machineTypes.get", project=context.project, zone=zone, machineType=machine)
    title = f"{machine} in {zone}"
    if found is None:
        nearest = by_distance(zone, _zones_with(context, machine))[:_MOST_SHOWN]
        fix = (
            f"Write zone: {nearest[0]} (zones that have it, nearest first: {', '.join(nearest)})."
            if nearest
            else "Choose another generation: no zone lists this machine for the project."
        )
        return failed("machine-type-missing", title, needed="the zone has it", message="404", fix=fix)
    state = (found.get("deprecated") or {}).get("state", "ACTIVE")
    if state != "ACTIVE":
        fix = "Choose another machine type in time."
        return warned("machine-type-deprecated", title, needed="ACTIVE", message=state, fix=fix)
    return passed(title, title)


def _cpu_machine(context: Context, machine: str) -> Finding:
    """Nodes of a regional cluster lie in the region's zones."""
    title, zones = f"{machine} in {context.region}", _zones_with(context, machine)
    inside = sorted(zone for zone in zones if zone.rpartition("-")[0] == context.region)
    if inside:
        return passed(title, title)
    fix = "Write cluster.cpuPool.machineType: e2-standard-4, or another machine of the region."
    return failed("machine-type-missing", title, needed="a zone of the region has it", message="none has", fix=fix)


def _zones_with(context: Context, machine: str) -> list[str]:
    found = context.google.aggregated("machineTypes", project=context.project, filter=f'name = "{machine}"')
    return [scope.removeprefix("zones/") for scope, item in found if item.get("name") == machine]
