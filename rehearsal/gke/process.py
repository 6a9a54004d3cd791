"""The process: watches, and brings definitions, nodes and statuses up to date whenever something changes."""

from __future__ import annotations

import ipaddress
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cluster as kube
from rehearsal.gke import cluster as clusters
from rehearsal.gke.addons import Addons
from rehearsal.gke.classes import controller_name, gateway_classes
from rehearsal.gke.events import Events, now
from rehearsal.gke.gateway import Cloud, World, changes
from rehearsal.gke.gateway.conditions import complete, condition, equal
from rehearsal.gke.gateway.world import key_of
from rehearsal.gke.nodes.controller import Nodes
from rehearsal.stand_in import StandIn

log = logging.getLogger(__name__)

MANAGER = "sc-gateway-controller"
# Changes that come together are looked at once, seconds.
_DEBOUNCE = 0.1
# The cloud is a folder of files: looked at this often, seconds.
_PERIOD = 1.0

_KINDS = {
    "Gateway": "gateway.networking.k8s.io/v1",
    "GatewayClass": "gateway.networking.k8s.io/v1",
    "HTTPRoute": "gateway.networking.k8s.io/v1",
    "ReferenceGrant": "gateway.networking.k8s.io/v1beta1",
    "InferencePool": "inference.networking.k8s.io/v1",
    "HealthCheckPolicy": "networking.gke.io/v1",
    "GCPBackendPolicy": "networking.gke.io/v1",
    "GCPGatewayPolicy": "networking.gke.io/v1",
    "Service": "v1",
    "Namespace": "v1",
}


def load_balancer_range(service_cidr: str) -> ipaddress.IPv4Network | None:
    """The last /24 of the Service range, on loopback; None where there is no such range."""
    if not service_cidr:
        return None
    return list(ipaddress.IPv4Network(service_cidr).subnets(new_prefix=24))[-1]


class Gke:
    """Everything that GKE does in a rehearsal's cluster. `module_dir` finds the folder of a Go module."""

    def __init__(self, own: StandIn, module_dir: Callable[[str], Path]) -> None:
        record = own.directory.load_record()
        self._own = own
        self._client = own.connect()
        self._folder = own.directory.cloud
        self._stop = own.stop
        self._range = load_balancer_range(record.service_cidr)
        self._addons = Addons(self._client, module_dir, record.time_scale)
        self._nodes = Nodes(self._client, own.directory, record.time_scale)
        self._events = Events(self._client, MANAGER)
        self._changed = threading.Event()
        self._stores: dict[str, kube.Store] = {}
        self._node_store, self._pods = self._store("v1", "Node"), self._store("v1", "Pod")

    def _store(self, api: str, kind: str, **selectors: str) -> kube.Store:
        return self._own.store(api, kind, self._changed.set, **selectors)

    def run(self) -> None:
        """Until `stop` is set."""
        for store in (self._node_store, self._pods):
            while not store.wait_synced(_PERIOD) and not self._stop.is_set():
                pass
        while not self._stop.is_set():
            self._pass()
            due = self._nodes.next_due
            wait = _PERIOD if due is None else min(max(due - time.time(), 0.05), _PERIOD)
            if self._changed.wait(wait):
                self._stop.wait(_DEBOUNCE)
                self._changed.clear()

    def _pass(self) -> None:
        cluster = clusters.running_cluster(self._folder)
        features = clusters.features(cluster) if cluster else None
        if cluster is None and clusters.exists(self._folder):
            return
        self._guard("features", lambda: self._addons.reconcile(features))
        self._guard("nodes", lambda: self._nodes.reconcile(self._node_store.all(), self._pods.all()))
        if cluster is not None and features is not None and features.gateway and self._watching():
            self._guard("gateway", lambda: self._gateway(self._world(clusters.view(self._folder, cluster))))

    def _watching(self) -> bool:
        """Whether everything the Gateway controller looks at is known; watched only once there are definitions."""
        if not self._stores:
            self._stores = {kind: self._store(api, kind) for kind, api in _KINDS.items()}
            # Helm keeps its releases in Secrets of up to a megabyte each.
            self._stores["Secret"] = self._store("v1", "Secret", field_selector="type!=helm.sh/release.v1")
        return all(store.wait_synced(0) for store in self._stores.values())

    def _guard(self, what: str, step: Callable[[], None]) -> None:
        """One part that fails is tried again at the next pass; the others go on."""
        try:
            step()
        except (kube.ApiException, kube.ResourceNotFoundError, *kube.TRANSPORT_ERRORS) as error:
            if not self._stop.is_set():
                log.warning("%s: %s", what, str(error).splitlines()[0] if str(error) else type(error).__name__)

    def _world(self, cloud: Cloud) -> World:
        of = {kind: store.all() for kind, store in self._stores.items()}
        alive = [item for kind in ("Gateway", "HTTPRoute") for item in of[kind]]
        alive = [item for item in alive if not item["metadata"].get("deletionTimestamp")]
        return World(
            cloud=cloud,
            classes=frozenset(item["metadata"]["name"] for item in of["GatewayClass"] if _is_ours(item)),
            gateways={key_of(item): item for item in alive if item["kind"] == "Gateway"},
            routes={key_of(item): item for item in alive if item["kind"] == "HTTPRoute"},
            pools={key_of(item): item for item in of["InferencePool"]},
            services={key_of(item): item for item in of["Service"]},
            secrets=frozenset(key_of(item) for item in of["Secret"]),
            namespaces={item["metadata"]["name"]: item["metadata"].get("labels") or {} for item in of["Namespace"]},
            grants=of["ReferenceGrant"],
            policies=[*of["HealthCheckPolicy"], *of["GCPBackendPolicy"], *of["GCPGatewayPolicy"]],
            addresses=self._range,
        )

    def _gateway(self, world: World) -> None:
        self._accept_classes()
        for change in changes(world, now()):
            written = kube.patch_status(self._client, change.object, change.status, manager=MANAGER)
            if written is not None and change.message:
                self._events.say(change.object, "Warning" if change.failed else "Normal", "SYNC", change.message)

    def _accept_classes(self) -> None:
        for item in self._stores["GatewayClass"].all():
            if not _is_ours(item):
                continue
            before = (item.get("status") or {}).get("conditions") or []
            wanted = complete([condition("Accepted", True, "Accepted")], before, item["metadata"]["generation"], now())
            if not equal(wanted, before):
                kube.patch_status(self._client, item, {"conditions": wanted}, manager=MANAGER)


def _is_ours(item: kube.KubeObject) -> bool:
    return item["spec"]["controllerName"] == controller_name() and item["metadata"]["name"] in gateway_classes()
