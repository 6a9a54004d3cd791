"""GKE: a version that the program may ask for, and a name that is free."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from catalog.gke import facts, parse_gke_version
from serving.checking.findings import Finding, failed, passed
from serving.google.errors import GOOGLE_FAILURES
from serving.preflight.context import Context
from serving.preflight.registry import check


@check(
    "gke-version",
    "A new cluster gets a version that is new enough, and GKE offers it",
    "GKE, projects.locations.getServerConfig",
    (*GOOGLE_FAILURES, "gke-channel-missing", "gke-version-too-old", "gke-default-too-old", "gke-version-not-offered"),
)
def gke_version(context: Context) -> Iterator[Finding]:
    """`minVersion` must be on offer (a shorter one stands for its newest patch); without it, the channel's default counts."""
    cluster, parent = context.deployment.settings.cluster, f"projects/{context.project}/locations/{context.region}"
    answer = context.google.find("container", "projects.locations.getServerConfig", name=parent) or {}
    channel = next(
        (item for item in answer.get("channels", ()) if item.get("channel") == cluster.release_channel), None
    )
    if channel is None:
        name = f"channel {cluster.release_channel} in {context.region}"
        channels = ", ".join(str(item.get("channel")) for item in answer.get("channels", ())) or "none"
        fix = "Write another cluster.releaseChannel."
        yield failed("gke-channel-missing", name, needed="the channel", message=channels, fix=fix)
    else:
        yield _version(context, channel)


def _version(context: Context, channel: dict[str, Any]) -> Finding:
    """What a channel's versions mean for the environment."""
    cluster, floor = context.deployment.settings.cluster, _floor(context)
    name, needed = f"channel {cluster.release_channel} in {context.region}", f"{floor} or newer"
    offered, default = (
        [str(version) for version in channel.get("validVersions", ())],
        str(channel.get("defaultVersion", "")),
    )
    enough = [version for version in offered if _at_least(version, floor)]
    if not enough:
        found = f"newest {offered[0] if offered else 'no version'}"
        fix = "Write cluster.releaseChannel: RAPID." if cluster.release_channel != "RAPID" else "Wait for GKE."
        return failed("gke-version-too-old", name, needed=needed, message=found, fix=fix)
    if own_cluster(context):
        return passed(name, f"up to {enough[0]}, for the cluster that is there")
    best = default if _at_least(default, floor) else enough[0]
    if cluster.min_version is None:
        if best == default:
            return passed(name, f"the default of {cluster.release_channel} is {default}", needed)
        fix = f"Write cluster.minVersion: {best}."
        return failed("gke-default-too-old", name, needed=needed, message=f"the default is {default}", fix=fix)
    if _offers(offered, cluster.min_version):
        return passed(name, f"{cluster.min_version} on offer", needed)
    return failed(
        "gke-version-not-offered",
        name,
        needed=f"cluster.minVersion {cluster.min_version}, for a new cluster",
        message=f"{', '.join(enough[:3])}, ...",
        fix=f"Write cluster.minVersion: {best}, or leave it out.",
    )


def _floor(context: Context) -> str:
    """The highest of what the InferencePool, the settings, the slices and the purchase need."""
    deployment = context.deployment
    floors = [deployment.version_floor[0], deployment.settings.cluster.min_version or ""]
    if any(bought.kind == "flexStart" for bought in deployment.purchases):
        floors.append(str(facts()["flexStartFloor"]))
    return max((parsed, floor) for floor in floors if (parsed := _first_of(floor)) is not None)[1]


def _first_of(version: str) -> tuple[int, ...] | None:
    """For comparing floors: what is left out counts as nothing, so that `1.34` asks for no certain patch of 1.34."""
    parsed = parse_gke_version(version)
    parts = len(version.replace("-gke.", ".").split("."))
    return tuple(parsed[:parts]) + (0,) * (4 - parts) if parsed else None


def _at_least(version: str, floor: str) -> bool:
    have, wanted = parse_gke_version(version), _first_of(floor)
    return have is not None and wanted is not None and tuple(have) >= wanted


def _offers(offered: list[str], wanted: str) -> bool:
    """Whether GKE takes it as the version of a new cluster: one on offer, or the beginning of one (1.34, 1.34.3)."""
    parts = wanted.replace("-gke.", ".").split(".")
    return any(version.replace("-gke.", ".").split(".")[: len(parts)] == parts for version in offered)


@check(
    "cluster-name",
    "The cluster's name is free, or the cluster is this environment's own",
    "GKE, projects.locations.clusters.get",
    (*GOOGLE_FAILURES, "cluster-name-taken"),
)
def cluster_name(context: Context) -> Iterator[Finding]:
    """Ours carries the labels that the program gives it."""
    name = f"cluster {context.deployment.cluster_name} in {context.region}"
    if _cluster(context) is None:
        yield passed(name, f"{context.deployment.cluster_name} is free")
    elif own_cluster(context):
        yield passed(name, "exists, and is this environment's own")
    else:
        yield failed(
            "cluster-name-taken",
            name,
            needed="a free name, or a cluster with the labels of this environment",
            message="a cluster with other labels",
            fix="Write another cluster.name, or delete that cluster.",
        )


def own_cluster(context: Context) -> bool:
    """Whether the environment's cluster exists: then what else is there of its names is its own as well.

    Raises:
        CannotAskError: there is no answer.
    """
    found = _cluster(context)
    labels, own = (found or {}).get("resourceLabels", {}), context.deployment.labels
    return found is not None and all(labels.get(key) == own[key] for key in ("managed-by", "environment"))


def _cluster(context: Context) -> dict[str, Any] | None:
    place = f"projects/{context.project}/locations/{context.region}"
    name = f"{place}/clusters/{context.deployment.cluster_name}"
    return context.google.find("container", "projects.locations.clusters.get", name=name)
