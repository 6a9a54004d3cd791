"""Boot disks: the project's quota for the gigabytes of every pool's nodes."""

from __future__ import annotations

from collections.abc import Iterator

from catalog.preflight import disk_quota
from catalog.tpu import generations
from serving.checking.findings import Finding
from serving.google.errors import GOOGLE_FAILURES
from serving.preflight.checks.capacity import against_quota
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
    quota = disk_quota(kind)
    return against_quota(
        context,
        quota,
        {"region": context.region},
        f"{quota}: {kind} in {context.region}",
        (least, most),
        lambda limit: f"{limit} GB",
        f"{least} GB, {most} GB once the pools are at their most",
        ("disk-quota-too-small", "disk-quota-no-room-to-grow"),
        "what other disks of the project use comes on top",
    )
