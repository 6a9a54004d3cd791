"""`python -m rehearsal.gke DIR`: what GKE does in the cluster of a rehearsal, its load balancer included."""

from __future__ import annotations

import ipaddress
import logging
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cluster as kube
from rehearsal import assets, cloud
from rehearsal.emulator import Emulator, main
from rehearsal.gke.addons import Addons, features
from rehearsal.gke.events import Events, now
from rehearsal.gke.gateway.objects import KINDS, Cloud, by_kind
from rehearsal.gke.gateway.status import changes
from rehearsal.gke.nodes.controller import Nodes
from rehearsal.load_balancer.balancer import Balancer

_MANAGER = "sc-gateway-controller"
# Envoy's health checks are looked at this often, the cloud's files and what time brings about at the latest, seconds.
_STEP, _PASS = 0.25, 1.0


class Gke:
    """Made and run in the main thread."""

    def __init__(self, own: Emulator, envoy: Path) -> None:
        record = own.directory.load_record()
        self._own, self._client, self._changed = own, own.connect(), threading.Event()
        self._range = list(ipaddress.IPv4Network(record.service_cidr).subnets(new_prefix=24))[-1]
        self._addons = Addons(self._client, record.time_scale)
        self._nodes = Nodes(self._client, own.directory, record.time_scale)
        self._events = Events(self._client, _MANAGER)
        self._balancer = Balancer(own.directory, envoy)
        self._classes: kube.Store | None = None
        self._node_store, self._stores = self._store("v1", "Node"), {"Pod": self._store("v1", "Pod")}

    def _store(self, api: str, kind: str) -> kube.Store:
        # Helm keeps its releases in Secrets of up to a megabyte each.
        selectors = {"field_selector": "type=kubernetes.io/tls"} if kind == "Secret" else {}
        return self._own.store(api, kind, self._changed.set, **selectors)

    def run(self) -> None:
        """Until the process is told to end."""
        last = 0.0
        try:
            while not self._own.stop.wait(_STEP):
                if self._changed.is_set() or time.monotonic() - last >= _PASS:
                    self._changed.clear()
                    last = time.monotonic()
                    self._pass()
                self._balancer.step()
        finally:
            self._balancer.end()

    def _pass(self) -> None:
        """One part that fails is tried again at the next pass; the others go on."""
        clusters = cloud.read_all(self._own.directory.cloud, "gcp:container/cluster:Cluster")  # once RUNNING
        steps: list[Callable[[], None]] = [self._make_nodes]
        for cluster in clusters:
            steps += [partial(self._addons.reconcile, cluster), partial(self._program, cluster)]
        for step in steps:
            try:
                step()
            except (kube.ApiException, kube.ResourceNotFoundError, *kube.TRANSPORT_ERRORS) as error:
                if not self._own.stop.is_set():
                    logging.warning("%s", str(error).partition("\n")[0] or type(error).__name__)

    def _make_nodes(self) -> None:
        if self._classes is None and self._addons.has("compute_classes"):
            self._classes = self._store("cloud.google.com/v1", "ComputeClass")
        stores = [self._node_store, self._stores["Pod"], *([self._classes] if self._classes else [])]
        if all(store.wait_synced(0) for store in stores):
            self._nodes.reconcile(*(store.all() for store in stores))

    def _program(self, cluster: cloud.CloudResource) -> None:
        """What the Gateway controller writes, and once that is seen what the load balancer serves."""
        if "gateway" not in features(cluster):
            return
        # Watched only once there are definitions.
        self._stores |= {kind: self._store(api, kind) for kind, api in KINDS.items() if kind not in self._stores}
        if not all(store.wait_synced(0) for store in self._stores.values()):
            return
        objects = by_kind(item for store in self._stores.values() for item in store.all())
        wanted = changes(objects, self._cloud(cluster), now())
        for change in wanted:
            written = kube.patch_status(self._client, change.object, change.status, manager=_MANAGER)
            if written is not None and change.message:
                self._events.say(change.object, "Warning" if change.failed else "Normal", "SYNC", change.message)
        if not wanted:
            self._balancer.serve(objects)

    def _cloud(self, cluster: cloud.CloudResource) -> Cloud:
        folder, network = self._own.directory.cloud, _name(cluster.state["network"])
        # Google "Proxy-only subnets": regional Envoy load balancers of every kind use a subnet of this purpose.
        proxies = [
            subnet
            for subnet in cloud.read_all(folder, "gcp:compute/subnetwork:Subnetwork")
            if (subnet.state.get("purpose"), subnet.state.get("role")) == ("REGIONAL_MANAGED_PROXY", "ACTIVE")
            and (subnet.location, _name(subnet.state["network"])) == (cluster.location, network)
        ]
        named = cloud.read_all(folder, "gcp:compute/address:Address")
        here = [item for item in named if (item.project, item.location) == (cluster.project, cluster.location)]
        return Cloud(bool(proxies), self._range, {item.name: str(item.state["address"]) for item in here})


def _name(link: str) -> str:
    return link.rpartition("/")[2]


def run(own: Emulator) -> None:
    """Until the process is told to end."""
    Gke(own, assets.find(["envoy"])["envoy"].path).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], run))
