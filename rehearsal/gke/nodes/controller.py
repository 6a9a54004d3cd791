"""Makes the nodes of the pools, lets the autoscaler decide, and removes what is not declared any more."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cluster as kube
from catalog.files import read_yaml
from rehearsal import cloud
from rehearsal.cloud import CloudResource
from rehearsal.directory import RehearsalDirectory, write_private
from rehearsal.gke import cluster as clusters
from rehearsal.gke.events import Events, now
from rehearsal.gke.nodes import node as objects
from rehearsal.gke.nodes.pools import NODE_LABEL, POOL_LABEL, Pool, pool_of
from rehearsal.gke.nodes.removal import Drain
from rehearsal.gke.nodes.scaling import Order, State, idle_slices, new_order, scale_up

log = logging.getLogger(__name__)

MANAGER = "gke-nodes"
# Google "About GKE cluster autoscaling": a node is removed after 10 minutes in which nothing needed it.
_IDLE_SECONDS = 600.0
# Below this a pod that is replaced would lose its node: the real ten minutes leave time for that.
_SHORTEST_IDLE = 10.0


@dataclass(frozen=True)
class _Waiting:
    order: Order
    due: float


class Nodes:
    """One pass a call of `reconcile`; remembers orders under way and since when nodes are idle."""

    def __init__(self, client: kube.DynamicClient, directory: RehearsalDirectory, scale: float) -> None:
        self._client = client
        self._directory = directory
        self._events = Events(client, "cluster-autoscaler")
        self._drain = Drain(client, scale)
        self._delay = float(read_yaml("durations.yaml")["modelStart"]["node"]["seconds"]) * scale
        self._idle_limit = max(_IDLE_SECONDS * scale, _SHORTEST_IDLE)
        self._waiting: list[_Waiting] = []
        self._idle: dict[str, float] = {}
        self._refused: set[str] = set()

    @property
    def next_due(self) -> float | None:
        """When something is to be done though nothing changes, seconds since 1970."""
        dues = [waiting.due for waiting in self._waiting]
        dues += [since + self._idle_limit for since in self._idle.values()]
        return min(dues, default=None)

    def reconcile(self, nodes: Sequence[kube.KubeObject], pods: Sequence[kube.KubeObject]) -> None:
        """Bring the nodes to what pools and pods ask for."""
        folder = self._directory.cloud
        ours = [node for node in nodes if (node["metadata"].get("labels") or {}).get(NODE_LABEL) == "true"]
        if not clusters.exists(folder):
            self._waiting, self._idle = [], {}
            self._drain.delete_all(ours)
            return
        declared = cloud.read_all(folder, clusters.NODE_POOL, provisioning=True)
        pools = [pool for resource in declared if resource.status == "RUNNING" and (pool := self._pool(resource))]
        names = {resource.name for resource in declared}
        gone = [node for node in ours if node["metadata"]["labels"].get(POOL_LABEL) not in names]
        self._drain.drain(gone, pods)
        kept = [node for node in ours if node not in gone]
        self._waiting = [w for w in self._waiting if w.order.pool.name in names]
        self._start_new_pools(pools, kept)
        self._scale(pools, kept, pods)
        self._deliver()

    def _pool(self, resource: CloudResource) -> Pool | None:
        try:
            return pool_of(resource, cloud.read_all(self._directory.cloud, clusters.RESOURCE_POLICY))
        except ValueError as error:
            if resource.id not in self._refused:
                self._refused.add(resource.id)
                log.error("node pool %s gets no nodes: %s", resource.name, error)
            return None

    def _start_new_pools(self, pools: Sequence[Pool], nodes: Sequence[kube.KubeObject]) -> None:
        """The nodes that a pool starts with, once in its life."""
        started = set(self._read_started())
        present = {pool.id for pool in pools}
        for pool in pools:
            if pool.id in started:
                continue
            for zone in pool.zones:
                count = pool.initial
                if count:
                    state = State([pool], nodes, (), [w.order for w in self._waiting])
                    self._waiting.append(_Waiting(new_order(pool, zone, count, state), time.time()))
        if present != started:
            self._deliver()
            write_private(self._started, json.dumps(sorted(present)))

    @property
    def _started(self) -> Path:
        return self._directory.root / "started-pools.json"

    def _read_started(self) -> list[str]:
        try:
            started: list[str] = json.loads(self._started.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        return started

    def _scale(self, pools: Sequence[Pool], nodes: Sequence[kube.KubeObject], pods: Sequence[kube.KubeObject]) -> None:
        orders = [waiting.order for waiting in self._waiting]
        state = State(pools, nodes, pods, orders, self._stockouts(), self._chips_left(pools, nodes, orders))
        plan = scale_up(state)
        self._waiting += [_Waiting(order, time.time() + self._delay) for order in plan.orders]
        for event in plan.events:
            self._events.say(event.pod, event.type, event.reason, event.message)
        idle = idle_slices(state, plan.needed)
        self._idle = {key: self._idle.get(key, time.time()) for key in idle}
        for key, members in idle.items():
            if time.time() - self._idle[key] >= self._idle_limit:
                for name in members:
                    log.info("nothing needs the node %s", name)
                    kube.delete(self._client, "v1", "Node", name)

    def _stockouts(self) -> set[str]:
        """Zones without machines: one a line in `stockout.txt`."""
        try:
            lines = (self._directory.root / "stockout.txt").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return set()
        return {line.strip() for line in lines if line.strip()}

    def _chips_left(
        self, pools: Sequence[Pool], nodes: Sequence[kube.KubeObject], orders: Sequence[Order]
    ) -> dict[str, int]:
        left: dict[str, int] = {}
        for pool in pools:
            limit = cloud.chip_limit(self._directory.cloud, pool.region, pool.family) if pool.family else None
            if limit is None:
                continue
            present = sum((n["metadata"].get("labels") or {}).get(POOL_LABEL) == pool.name for n in nodes)
            present += sum(len(order.names) for order in orders if order.pool.id == pool.id)
            left[pool.family] = left.get(pool.family, limit) - present * pool.machine.chips
        return left

    def _deliver(self) -> None:
        """Register the nodes whose time has come."""
        due = [waiting for waiting in self._waiting if waiting.due <= time.time()]
        self._waiting = [waiting for waiting in self._waiting if waiting not in due]
        for waiting in due:
            order = waiting.order
            for name in order.names:
                # The nodes of a slice come and go together; others each by itself.
                slice_name = order.names[0] if order.pool.unit > 1 else name
                self._register(objects.node(order.pool, order.zone, name, slice_name), order.pool)

    def _register(self, manifest: dict[str, Any], pool: Pool) -> None:
        made = kube.apply(self._client, manifest, manager=MANAGER)
        kube.patch_status(self._client, made, objects.status(pool, made["metadata"]["name"], now()), manager=MANAGER)
        log.info("registered the node %s of the pool %s", made["metadata"]["name"], pool.name)
