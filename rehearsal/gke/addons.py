"""What GKE installs into a cluster for its features: definitions at once, GatewayClasses after a while."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

import yaml

import cluster as kube
from catalog.durations import seconds_of
from providers.google.trees import get
from rehearsal import assets, crds
from rehearsal.cloud import CloudResource
from rehearsal.gke.events import now
from rehearsal.gke.gateway.objects import CLASSES, KINDS
from rehearsal.gke.gateway.status import CONTROLLER, complete, condition

_MANAGER, _LOADER = "gke-addons", getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_OWN = {
    "compute_classes": crds.COMPUTE_CLASSES,
    "gateway": crds.GATEWAY,
    "managed_prometheus": crds.MANAGED_PROMETHEUS,
    "secret_sync": crds.SECRET_SYNC,
}
# Field issue 3: up to 45 minutes on a cluster where the channel was just switched on; the catalogue has the usual time.
_CLASS_SECONDS = seconds_of("kubernetes:batch/v1:Job", {"metadata": {"name": "gateway-readiness"}})


def features(cluster: CloudResource) -> set[str]:
    """What is switched on in a cluster. Every cluster has compute classes."""
    on = {
        "compute_classes": True,
        "gateway": get(cluster.state, "gatewayApiConfig.channel") == "CHANNEL_STANDARD",
        "managed_prometheus": get(cluster.state, "monitoringConfig.managedPrometheus.enabled"),
        "secret_sync": get(cluster.state, "secretSyncConfig.enabled"),
    }
    return {feature for feature, is_on in on.items() if is_on}


def definitions(feature: str) -> Iterator[dict[str, Any]]:
    """The definitions that a feature brings. GKE's Gateway API is the standard channel's."""
    if feature == "gateway":
        standard = sorted((assets.module_dir("gateway-api") / "config/crd/standard").glob("*.yaml"))
        bases = assets.module_dir("inference-extension") / "config/crd/bases"
        for path in (*standard, bases / "inference.networking.k8s.io_inferencepools.yaml"):
            documents = yaml.load_all(path.read_text(encoding="utf-8"), Loader=_LOADER)
            yield from (item for item in documents if item and item["kind"] == "CustomResourceDefinition")
    yield from (crds.definition(plural) for plural in _OWN[feature])


class Addons:
    """Installs what the cluster's features bring. `scale` times a real duration is its duration here."""

    def __init__(self, client: kube.DynamicClient, scale: float) -> None:
        self._client, self._class_delay = client, _CLASS_SECONDS * scale
        self._installed: dict[str, float] = {}
        self._classes = False

    def has(self, feature: str) -> bool:
        """Whether the definitions of a feature are installed."""
        return feature in self._installed

    def reconcile(self, cluster: CloudResource) -> None:
        """Install what is on and missing."""
        for feature in sorted(features(cluster) - self._installed.keys()):
            for document in definitions(feature):
                kube.apply(self._client, {**document, "status": None}, manager=_MANAGER)
            self._installed[feature] = time.time()
            logging.info("%s: installed", feature)
        if not self._classes and time.time() - self._installed.get("gateway", time.time()) > self._class_delay:
            for name in CLASSES:
                self._make_class(name)
            self._classes = True

    def _make_class(self, name: str) -> None:
        body = {"apiVersion": KINDS["GatewayClass"], "kind": "GatewayClass", "metadata": {"name": name}}
        made = kube.apply(self._client, {**body, "spec": {"controllerName": CONTROLLER}}, manager=_MANAGER)
        conditions = complete(made, [condition("Accepted")], (), now())
        kube.patch_status(self._client, made, {"conditions": conditions}, manager=_MANAGER)
