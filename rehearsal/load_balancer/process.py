"""The process: watches the cluster and hands what it sees to the load balancer."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterable
from pathlib import Path

import cluster as kube
from rehearsal.gke.gateway import Cloud, World
from rehearsal.gke.gateway.world import POLICY_KINDS, Key, KubeObject, key_of
from rehearsal.load_balancer.balancer import Balancer
from rehearsal.load_balancer.model import Defaults, Objects, gke_defaults
from rehearsal.stand_in import StandIn

# Envoy's admin interface is asked this often, seconds.
_PERIOD = 0.25
_KINDS = {
    "Gateway": "gateway.networking.k8s.io/v1",
    "HTTPRoute": "gateway.networking.k8s.io/v1",
    "InferencePool": "inference.networking.k8s.io/v1",
    **dict.fromkeys(POLICY_KINDS, "networking.gke.io/v1"),
    "Service": "v1",
    "Pod": "v1",
    "Namespace": "v1",
}
_TIME_SCALE = "backend-time-scale.txt"


def defaults_of(folder: Path) -> Defaults:
    """GKE's defaults. The file `backend-time-scale.txt` in the rehearsal's folder holds a number by which every time
    limit of a backend is multiplied: a stream of 45 seconds need not take 45 seconds here."""
    try:
        scale = float((folder / _TIME_SCALE).read_text("utf-8"))
    except FileNotFoundError:
        return gke_defaults()
    return dataclasses.replace(gke_defaults(), time_scale=scale)


class LoadBalancer:
    """One load balancer for all Gateways of the cluster."""

    def __init__(self, own: StandIn, binary: Path) -> None:
        self._own = own
        self._changed = threading.Event()
        self._changed.set()
        self._balancer = Balancer(own.directory, binary)
        self._stores = {kind: self._store(api, kind) for kind, api in _KINDS.items()}
        self._stores["Secret"] = self._store("v1", "Secret", field_selector="type=kubernetes.io/tls")

    def _store(self, api: str, kind: str, **selectors: str) -> kube.Store:
        return self._own.store(api, kind, self._changed.set, **selectors)

    def run(self) -> None:
        """Until the process is told to end."""
        try:
            while not self._own.stop.wait(_PERIOD):
                if self._changed.is_set() and all(store.wait_synced(0) for store in self._stores.values()):
                    self._changed.clear()
                    self._serve()
                self._balancer.step()
        finally:
            self._balancer.end()

    def _serve(self) -> None:
        of = {kind: store.all() for kind, store in self._stores.items()}
        world = World(
            cloud=Cloud("", proxy_only_subnet=True),
            gateways=_by_key(of["Gateway"]),
            routes=_by_key(of["HTTPRoute"]),
            pools=_by_key(of["InferencePool"]),
            services=_by_key(of["Service"]),
            namespaces={item["metadata"]["name"]: item["metadata"].get("labels") or {} for item in of["Namespace"]},
            policies=[item for kind in POLICY_KINDS for item in of[kind]],
        )
        objects = Objects(world, of["Pod"])
        self._balancer.serve(objects, _by_key(of["Secret"]), defaults_of(self._own.directory.root))


def _by_key(items: Iterable[KubeObject]) -> dict[Key, KubeObject]:
    return {key_of(item): item for item in items if not item["metadata"].get("deletionTimestamp")}
