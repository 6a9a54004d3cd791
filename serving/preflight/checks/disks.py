"""Boot disks: the project's quota for the gigabytes of every pool's nodes."""

from __future__ import annotations

from collections.abc import Iterator

from catalog.preflight import QUOTA_SERVICE, disk_quota
from catalog.tpu import generations
from serving.checking.findings import Finding, failed, passed, unknown, warned
from serving.checking.gcloud import gcloud
from serving.google.errors import GOOGLE_FAILURES
from serving.google.quotas import find_quota, limit_for
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
    quota, needed = disk_quota(kind), f"{least} GB, {most} GB once the pools are at their most"
    name, fix = f"{quota}: {kind} in {context.region}", _request(context, quota, most)
    found = find_quota(context.google, quota)
    if found is None:
        return unknown("quota-id-unknown", name, needed=needed, message="404", fix=fix)
    limit = limit_for(found.limits, {"region": context.region})
    if limit is None:
        entries = f"{len(found.limits)} entries, none for this region"
        return unknown("quota-not-listed", name, needed=needed, message=entries, fix=fix)
    if limit < 0 or limit >= most:
        return passed(name, "unlimited" if limit < 0 else f"{limit} GB", f"{most} GB")
    if limit >= least:
        return warned("disk-quota-no-room-to-grow", name, needed=needed, message=f"{limit} GB", fix=fix)
    return failed("disk-quota-too-small", name, needed=needed, message=f"{limit} GB", fix=fix)


def _request(context: Context, quota: str, gigabytes: int) -> str:
    return gcloud(
        "quotas preferences create",
        f"--service={QUOTA_SERVICE}",
        f"--project={context.project}",
        f"--quota-id={quota}",
        f"--dimensions=region={context.region}",
        f"--preferred-value={gigabytes}",
        "--email=YOU",
        say="Ask for more, and for what other disks of the project use besides:",
    )
