"""Boot disks: the project's quota for the gigabytes of every pool's nodes."""

from __future__ import annotations

from collections.abc import Iterator

from catalog.preflight import disk_quota
from catalog.tpu import generations
from serving.checking.findings import Finding, failed, passed, warned
from serving.google.errors import GOOGLE_FAILURES
from serving.preflight.checks.capacity import known_limit, request_more
from serving.preflight.context import Context
from serving.preflight.registry import check
from settings.derive import CPU_POOL_DISK, Deployment


@check(
    "disk-quota",
    "The quota of each disk type holds the boot disks of all nodes",
    "Cloud Quotas, quotaInfos.get",
    (*GOOGLE_FAILURES, "disk-quota-too-small", "disk-quota-no-room-to-grow", "quota-not-listed", "quota-id-unknown"),
    requests=2,
)
def disks(context: Context) -> Iterator[Finding]:
    """The limit of the whole project in the region: what other disks use already comes off it."""
    for kind, (least, most) in _gigabytes(context.deployment).items():
        yield _judged(context, kind, least, most)


def _gigabytes(deployment: Deployment) -> dict[str, tuple[int, int]]:
    """Disk type -> GB of the nodes that serve, and of those that the pools may grow to."""
    cpu = deployment.settings.cluster.cpu_pool
    found = {CPU_POOL_DISK: (cpu.min_nodes * cpu.disk_gib, deployment.cpu_pool_most_nodes * cpu.disk_gib)}
    for pool in deployment.pools:
        kind = generations()[pool.shape.generation].disk_type
        least, most = found.get(kind, (0, 0))
        serving = pool.replica_slices * pool.shape.hosts * pool.disk_gib
        found[kind] = (least + serving, most + pool.max_nodes * pool.disk_gib)
    return found


def _judged(context: Context, kind: str, least: int, most: int) -> Finding:
    quota, dimensions = disk_quota(kind), {"region": context.region}
    title, needed = f"{quota}: {kind} in {context.region}", f"{least} GB, {most} GB once the pools are at their most"
    fix = request_more(context, quota, dimensions, most, "what other disks of the project use comes on top")
    found = known_limit(context, quota, dimensions, title, needed, fix)
    if isinstance(found, Finding):
        return found
    _, limit = found
    if limit < 0 or limit >= most:
        return passed(title, "unlimited" if limit < 0 else f"{limit} GB", f"{most} GB")
    if limit >= least:
        return warned("disk-quota-no-room-to-grow", title, needed=needed, message=f"{limit} GB", fix=fix)
    return failed("disk-quota-too-small", title, needed=needed, message=f"{limit} GB", fix=fix)
