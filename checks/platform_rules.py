"""Rules about the controllers and what they need (KS01, KS03, KS08, KS12)."""

from __future__ import annotations

import math
from collections.abc import Iterator

from catalog.lock import load_lock
from checks.registry import Found, at, rule, served_models
from checks.shared.versions import kserve_version_problem
from settings.derive import GIB, Deployment
from settings.names import SYSTEM_NAMESPACE
from settings.platform import Platform
from settings.refusal import Path

# No source gives a figure; the chart's own limit of 1 GiB was too little for users (kserve#5697).
_INITIALIZER_GIB = 4
# Server image, system and caches beside the weights, on a node's boot disk.
_SYSTEM_GIB = 60
_RESERVED = ("kube-", "gke-", "gmp-")


@rule("KS01")
def kserve_version(deployment: Deployment) -> Iterator[Found]:
    """An existing KServe is a version that was tested."""
    platform = deployment.settings.platform
    if platform.kserve != "existing":
        return
    problem = kserve_version_problem(platform.kserve_version or "", "kserveVersion")
    yield from at(("platform", "kserveVersion"), platform.kserve_version, problem)


@rule("KS03")
def leader_worker_set(deployment: Deployment) -> Iterator[Found]:
    """Off only where no model is multi-host."""
    if deployment.settings.platform.leader_worker_set == "off" and deployment.multi_host:
        names = ", ".join(m.name for m in deployment.models if m.shape.multi_host)
        said = f"Multi-host models need it: {names}."
        yield Found(("platform", "leaderWorkerSet"), "off", said, "Write leaderWorkerSet: install.")


@rule("KS08")
def room_for_the_download(deployment: Deployment) -> Iterator[Found]:
    """The downloader's memory and the node's disk hold the weights."""
    memory = deployment.settings.platform.storage_initializer_memory_gib
    largest = max((m.weights_bytes or 0 for m in deployment.models if m.streamed is None), default=0) / GIB
    needed = min(_INITIALIZER_GIB, math.ceil(largest))
    if memory < needed:
        said = f"{memory} GiB of memory may be too little to download {largest:.0f} GiB of weights."
        path: Path = ("platform", "storageInitializerMemoryGib")
        yield Found(path, memory, said, f"Write storageInitializerMemoryGib: {_INITIALIZER_GIB}, or leave it out.")
    for here, model in served_models(deployment):
        disk = model.settings.disk_gib
        if disk is None or model.weights_bytes is None:
            continue
        room = (0 if model.streamed else math.ceil(model.weights_bytes / GIB)) + _SYSTEM_GIB
        if disk < room:
            said = f"{model.weights_bytes / GIB:.0f} GiB of weights, the image and the system need about {room} GiB."
            yield Found((*here, "diskGib"), disk, said, f"Write diskGib: {room}, or leave it out.")


@rule("KS12")
def models_namespace(deployment: Deployment) -> Iterator[Found]:
    """Neither Kubernetes', nor GKE's, nor that of a chart we install."""
    name = deployment.namespace
    ours = {SYSTEM_NAMESPACE, *(chart.namespace for chart in load_lock().charts.values())}
    if name == "default" or name.startswith(_RESERVED) or name in ours:
        said = f"{name} belongs to {'a controller' if name in ours else 'Kubernetes or GKE'}."
        fix = f"Write modelsNamespace: {Platform().models_namespace}, or leave it out."
        yield Found(("platform", "modelsNamespace"), name, said, fix)
