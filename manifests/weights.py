"""A bucket near the chips: the Job that fills it, and what a pod does before its server reads from it.

Both run one program of the standard library in the image that the readiness Jobs have. The init container waits for the
metadata server of a new node, which has no token for seconds, so that the streamer and the compile cache find an identity.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from catalog.gke import facts
from manifests.base import Manifest, manifest, script_container, script_job
from manifests.secrets import token_env
from settings import names
from settings.derive import Deployment, ServedModel
from settings.store import WEIGHTS, Store

CONFIG_MAP = "weights-programs"
VOLUME = {"name": CONFIG_MAP, "configMap": {"name": CONFIG_MAP}}
# Where Kubernetes reads a container's last words; `verify` reads them in the pod's status.
TERMINATION_LOG = "/dev/termination-log"
_FOLDER = Path(__file__).parent / "scripts"
_PROGRAMS = ("weights.py", "stores.py")
_FILES_AT_ONCE = 4
# Google "IAM roles for Cloud Storage". The first has storage.buckets.get, which the streamer asks for before anything else
# (runai-model-streamer 0.15.9 gcs/files/files.py) and objectViewer lacks; the last one may replace objects.
_LIST, _READ, _WRITE = ("roles/storage.legacyBucketReader", "roles/storage.objectViewer", "roles/storage.objectUser")
_TRIES = 6


@cache
def programs() -> dict[str, str]:
    """The files of the program, by name."""
    return {name: (_FOLDER / name).read_text(encoding="utf-8") for name in _PROGRAMS}


@dataclass(frozen=True)
class Grant:
    """A role on the bucket for `member`; where a folder is named, for the objects below it only."""

    name: str
    member: str
    role: str
    folder: str = ""


@dataclass(frozen=True)
class Bucket:
    """The bucket. `created`: it is ours to make; `kept`: it outlives the environment."""

    name: str
    project: str
    region: str
    created: bool
    kept: bool
    grants: tuple[Grant, ...]


@dataclass(frozen=True)
class Weights:
    """The bucket, and what Jobs and init containers of all models share; `account` is the Jobs'."""

    bucket: Bucket
    programs: Manifest
    account: Manifest | None


def weights(deployment: Deployment) -> Weights | None:
    """What stands beside the models; None without a bucket."""
    store, settings = deployment.store, deployment.settings.weights
    if store is None:
        return None
    account = None
    if any(model.streamed for model in deployment.models):
        account = manifest(
            "v1", "ServiceAccount", names.WEIGHTS_ACCOUNT, deployment.namespace, automountServiceAccountToken=False
        )
    project, kept = deployment.settings.project.id, not settings.delete_bucket
    return Weights(
        Bucket(store.bucket, project, deployment.region, store.created, kept, tuple(_grants(deployment, store))),
        manifest("v1", "ConfigMap", CONFIG_MAP, deployment.namespace, data=programs()),
        account,
    )


def _grants(deployment: Deployment, store: Store) -> Iterator[Grant]:
    """Everybody reads the bucket's entry and lists it; the Jobs write weights only, the servers compiled programs only."""
    if any(model.streamed for model in deployment.models):
        member = deployment.workload_principal(names.WEIGHTS_ACCOUNT)
        yield Grant("filler-list", member, _LIST)
        yield Grant("filler-write", member, _WRITE, WEIGHTS)
    for model in deployment.models:
        member = deployment.workload_principal(names.service_account(model.name))
        if model.streamed or store.programs:
            yield Grant(f"{model.name}-list", member, _LIST)
        if model.streamed:
            yield Grant(f"{model.name}-read", member, _READ)
        if store.programs:
            yield Grant(f"{model.name}-write", member, _WRITE, store.programs_folder)


def filling_job(deployment: Deployment, model: ServedModel) -> Manifest | None:
    """Completes when every file of the revision is in the bucket as the Hub has it; None where nothing is streamed."""
    if model.streamed is None:
        return None
    container = _container("fill", model, [*_weights(model), "--workers", str(_FILES_AT_ONCE)])
    if env := token_env(model):
        container["env"] = env
    asked = facts()["cpuPoolRequests"]["filling"]
    requests = {"cpu": str(asked["cpu"]), "memory": f"{round(asked['memoryGib'] * 1024)}Mi"}
    container["resources"] = {"requests": requests, "limits": {"memory": "1Gi"}}
    return script_job(
        names.weights_job(model.name),
        deployment.namespace,
        names.WEIGHTS_ACCOUNT,
        container,
        VOLUME,
        tries=_TRIES,
        seconds=model.filling_timeout_seconds,
    )


def looking(model: ServedModel) -> dict[str, Any] | None:
    """The init container that looks at the bucket before the server starts; None for a model without one."""
    arguments = _weights(model)
    if model.programs_folder is not None:
        arguments += ["--cache", model.programs_folder]
    if not arguments:
        return None
    container = _container("check", model, arguments)
    container["resources"] = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}}
    return container


def _weights(model: ServedModel) -> list[str]:
    if model.streamed is None:
        return []
    store, revision = model.streamed
    return [
        *("--repository", revision.repository, "--revision", revision.name),
        *("--prefix", store.weights_of(revision), "--marker", store.marker_of(revision)),
    ]


def _container(command: str, model: ServedModel, arguments: list[str]) -> dict[str, Any]:
    assert model.store is not None
    arguments = ["--bucket", model.store.bucket, *arguments, "--result", TERMINATION_LOG]
    return script_container("weights", ["/programs/weights.py", command], arguments, CONFIG_MAP, "/programs")
