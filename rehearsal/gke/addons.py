"""What GKE installs into a cluster for its features: definitions at once, GatewayClasses after a while."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

import cluster as kube
from catalog.durations import seconds_of
from rehearsal import crds
from rehearsal.gke.classes import controller_name, gateway_classes
from rehearsal.gke.cluster import Features

log = logging.getLogger(__name__)

MANAGER = "gke-addons"
MARK = "rehearsal.tpu-serving/feature"
_OWN = {"gateway": crds.GATEWAY, "managed_prometheus": crds.MANAGED_PROMETHEUS, "secret_sync": crds.SECRET_SYNC}
_CRD = "apiextensions.k8s.io/v1", "CustomResourceDefinition"
_CLASS = "gateway.networking.k8s.io/v1", "GatewayClass"
# Field issue 3: up to 45 minutes on a cluster where the channel was just switched on; the catalogue has the usual time.
_CLASS_SECONDS = seconds_of("kubernetes:batch/v1:Job", {"metadata": {"name": "gateway-readiness"}})
_POOLS = Path("config", "crd", "bases", "inference.networking.k8s.io_inferencepools.yaml")

ModuleDir = Callable[[str], Path]


def definitions(feature: str, module_dir: ModuleDir) -> Iterator[dict[str, Any]]:
    """The definitions that a feature brings. GKE's Gateway API is the standard channel's."""
    if feature == "gateway":
        for path in sorted((module_dir("gateway-api") / "config" / "crd" / "standard").glob("*.yaml")):
            yield from _documents(path)
        yield from _documents(module_dir("inference-extension") / _POOLS)
    yield from (crds.definition(plural) for plural in _OWN[feature])


def _documents(path: Path) -> Iterator[dict[str, Any]]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for document in yaml.load_all(path.read_text(encoding="utf-8"), Loader=loader):
        if document and document["kind"] == _CRD[1]:
            yield document


def class_object(name: str) -> dict[str, Any]:
    """A GatewayClass of GKE."""
    return {
        "apiVersion": _CLASS[0],
        "kind": _CLASS[1],
        "metadata": {"name": name, "labels": {MARK: "gateway"}},
        "spec": {"controllerName": controller_name()},
    }


class Addons:
    """Keeps what is installed equal to the cluster's features. `scale` times a real duration is its duration here."""

    def __init__(self, client: kube.DynamicClient, module_dir: ModuleDir, scale: float) -> None:
        self._client = client
        self._module_dir = module_dir
        self._class_delay = _CLASS_SECONDS * scale
        self._state: dict[str, bool] = {}
        self._classes_due: float | None = None

    def reconcile(self, features: Features | None) -> None:
        """Install what is on and missing, remove what is off; without a cluster everything is off."""
        for feature in _OWN:
            wanted = bool(features and getattr(features, feature))
            if self._state.get(feature) is wanted:
                continue
            if wanted:
                for document in definitions(feature, self._module_dir):
                    self._install(document, feature)
            elif not self._removed(feature):
                continue
            if feature == "gateway":
                self._classes_due = time.time() + self._class_delay if wanted else None
            self._state[feature] = wanted
            log.info("%s: %s", feature, "installed" if wanted else "off")
        if self._classes_due is not None and time.time() >= self._classes_due:
            self._make_classes()

    def _install(self, document: dict[str, Any], feature: str) -> None:
        metadata = document["metadata"]
        labels = {**(metadata.get("labels") or {}), MARK: feature}
        labelled = {key: value for key, value in document.items() if key != "status"}
        labelled["metadata"] = {**metadata, "labels": labels}
        present = kube.get(self._client, *_CRD, metadata["name"])
        # What is there from before needs no second write: the definitions of a rehearsal never change.
        if present is None or (present["metadata"].get("labels") or {}).get(MARK) != feature:
            kube.apply(self._client, labelled, manager=MANAGER)

    def _make_classes(self) -> None:
        """Create the classes that are missing."""
        present = {item["metadata"]["name"] for item in kube.list_objects(self._client, *_CLASS)}
        for name in gateway_classes():
            if name not in present:
                kube.apply(self._client, class_object(name), manager=MANAGER)
        self._classes_due = None

    def _removed(self, feature: str) -> bool:
        """One step of removing a feature; whether nothing of it is left."""
        left = False
        for api, kind in (_CLASS, _CRD):
            try:
                found = kube.list_objects(self._client, api, kind, label_selector=f"{MARK}={feature}")
            except (kube.ResourceNotFoundError, kube.NotFoundError):
                continue
            left = left or bool(found)
            for item in found:
                if not item["metadata"].get("deletionTimestamp"):
                    kube.delete(self._client, api, kind, item["metadata"]["name"])
                elif _is_stuck(item):
                    self._touch(item)
        return not left

    def _touch(self, item: kube.KubeObject) -> None:
        """A change of a definition makes the API server try its deletion again."""
        annotations = {"rehearsal.tpu-serving/tried": str(time.time())}
        metadata = {"name": item["metadata"]["name"], "annotations": annotations}
        body = {"apiVersion": _CRD[0], "kind": _CRD[1], "metadata": metadata}
        kube.apply(self._client, body, manager=f"{MANAGER}-removal")


def _is_stuck(item: kube.KubeObject) -> bool:
    """The API server gave up deleting a definition's objects: it does where nobody has read them yet (seen in 1.36)."""
    conditions = (item.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Terminating" and c.get("reason") == "InstanceDeletionFailed" for c in conditions)
