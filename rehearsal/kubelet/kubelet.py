"""The kubelet of all emulator nodes: watches, keeps nodes ready, and gives each pod of theirs a life."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import time
from collections.abc import Callable
from typing import Any

import yaml

import cluster as kube
from rehearsal.emulator import Emulator
from rehearsal.kubelet.api import ERRORS, Api
from rehearsal.kubelet.container import now
from rehearsal.kubelet.context import Machine
from rehearsal.kubelet.pod import Pod

log = logging.getLogger(__name__)

Json = dict[str, Any]

NODE_LABEL = "rehearsal.tpu-serving/node"
# Kubelet's defaults: nodeLeaseDurationSeconds 40, renewed every quarter of it.
RENEW_SECONDS = 10.0


class Kubelet:
    """Acts for every node that carries the rehearsal's label."""

    def __init__(self, own: Emulator) -> None:
        self._own = own
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._pods: dict[str, Pod] = {}
        self._renewed: dict[str, float] = {}

    async def run(self) -> None:
        """Work until cancelled, then end every process at once; the pods' objects stay as they are."""
        self._api = Api(await asyncio.to_thread(self._own.connect))
        directory, record = self._own.directory, self._own.directory.load_record()
        server = yaml.safe_load(directory.kubeconfig.read_text(encoding="utf-8"))["clusters"][0]["cluster"]
        references = await self._store("ConfigMap"), await self._store("Secret")
        self._machine = Machine(directory, record, server, *references)
        network = ipaddress.IPv4Network(record.pod_cidr)
        self._addresses = (str(network[index]) for index in range(10, network.num_addresses - 1))
        self._nodes = await self._store("Node", self._wake, label_selector=f"{NODE_LABEL}=true")
        self._objects = await self._store("Pod", self._wake)
        try:
            while True:
                self._consider()
                await self._keep_nodes()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(RENEW_SECONDS):
                        await self._changed.wait()
                self._changed.clear()
        finally:
            for pod in self._pods.values():
                pod.kill()

    async def _store(self, kind: str, on_change: Callable[[], None] | None = None, **selectors: str) -> kube.Store:
        store = await asyncio.to_thread(self._own.store, "v1", kind, on_change, **selectors)
        while not store.wait_synced(0):
            await asyncio.sleep(0.05)
        return store

    def _wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._changed.set)

    async def _keep_nodes(self) -> None:
        """Keep every node's Lease renewed and its Ready condition true; capacity comes from who made the node."""
        for node in self._nodes.all():
            name, present = node["metadata"]["name"], time.monotonic()
            try:
                if not is_ready(node):
                    await self._api.write_status(node, node_status(node))
                if present - self._renewed.get(name, -RENEW_SECONDS) >= RENEW_SECONDS:
                    await self._api.renew_lease(node)
                    self._renewed[name] = present
            except ERRORS as error:
                log.debug("node %s: %s", name, error)

    def _consider(self) -> None:
        """Start what is new, end what is to go."""
        nodes = {node["metadata"]["name"] for node in self._nodes.all()}
        found = {pod["metadata"]["uid"]: pod for pod in self._objects.all() if pod["spec"].get("nodeName") in nodes}
        for uid, pod in found.items():
            metadata, running = pod["metadata"], self._pods.get(uid)
            if running is None:
                running = self._pods[uid] = Pod(pod, next(self._addresses), self._machine, self._api)
                if not metadata.get("deletionTimestamp") and pod["status"].get("phase") not in ("Succeeded", "Failed"):
                    running.start()
            if metadata.get("deletionTimestamp"):
                running.end(float(metadata.get("deletionGracePeriodSeconds") or 0))
        for uid in self._pods.keys() - found.keys():
            self._pods.pop(uid).end(0.0, gone=True)


def is_ready(node: Json) -> bool:
    """True where the API server has the Ready condition of the kubelet."""
    conditions = (node.get("status") or {}).get("conditions") or []
    return any((c["type"], c["status"]) == ("Ready", "True") for c in conditions)


def node_status(node: Json) -> Json:
    """The kubelet's part of a node's status."""
    times = {"lastHeartbeatTime": now(), "lastTransitionTime": now()}
    words = {"reason": "KubeletReady", "message": "kubelet is posting ready status"}
    name = node["metadata"]["name"]
    addresses = [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": name}]
    return {"conditions": [{"type": "Ready", "status": "True", **words, **times}], "addresses": addresses}
