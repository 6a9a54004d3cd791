"""The kubelet of all stand-in nodes: watches, and gives each pod of theirs a life."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import cluster as kube
from rehearsal.directory import RehearsalDirectory
from rehearsal.kubelet.addresses import Addresses
from rehearsal.kubelet.api import Api
from rehearsal.kubelet.machine import Machine
from rehearsal.kubelet.nodes import NODE_LABEL, Nodes
from rehearsal.kubelet.pod import Pod

log = logging.getLogger(__name__)

Json = dict[str, Any]

_ENDED = ("Succeeded", "Failed")


class Kubelet:
    """Acts for every node that carries the rehearsal's label."""

    def __init__(self, machine: Machine, client: kube.DynamicClient, pod_cidr: str) -> None:
        self._machine = machine
        self._client = client
        self._api = Api(client)
        self._nodes = Nodes(self._api)
        self._addresses = Addresses(pod_cidr)
        self._pods: dict[str, Pod] = {}
        self._seen: dict[str, Json] = {}
        self._references: dict[tuple[str, str, str], Json] = {}
        self._listed: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stop = threading.Event()

    # Objects for pods (see objects.Objects)

    def config_map(self, namespace: str, name: str) -> Json | None:
        """A ConfigMap as last seen."""
        return self._references.get(("ConfigMap", namespace, name))

    def secret(self, namespace: str, name: str) -> Json | None:
        """A Secret as last seen."""
        return self._references.get(("Secret", namespace, name))

    # Life

    async def run(self) -> None:
        """Work until cancelled, then end every process at once; the pods' objects stay as they are."""
        try:
            self._watch("ConfigMap", self._on_reference)
            self._watch("Secret", self._on_reference)
            self._watch("Node", self._on_node, label_selector=f"{NODE_LABEL}=true")
            for kind in ("ConfigMap", "Secret", "Node"):
                await self._listed[kind].wait()
            self._watch("Pod", self._on_pod)
            await self._nodes.run()
        finally:
            self._stop.set()
            for pod in self._pods.values():
                pod.kill()
            self._api.close()

    def _watch(self, kind: str, handle: Callable[[kube.Event], None], **selectors: str) -> None:
        loop = asyncio.get_running_loop()
        self._listed[kind] = listed = asyncio.Event()

        def complete() -> None:
            loop.call_soon_threadsafe(listed.set)

        def read() -> None:
            events = kube.watch(self._client, "v1", kind, stop=self._stop, on_list=complete, **selectors)
            with contextlib.suppress(RuntimeError):  # the loop has ended
                for event in events:
                    loop.call_soon_threadsafe(handle, event)

        threading.Thread(target=read, name=f"watch-{kind}", daemon=True).start()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("%r", error, exc_info=error)

    # Events

    def _on_reference(self, event: kube.Event) -> None:
        metadata = event.object["metadata"]
        key = (event.object["kind"], metadata["namespace"], metadata["name"])
        if event.type == "DELETED":
            self._references.pop(key, None)
        else:
            self._references[key] = event.object
        for pod in self._pods.values():
            if pod.pod["metadata"]["namespace"] == metadata["namespace"]:
                pod.reference_changed()

    def _on_node(self, event: kube.Event) -> None:
        if event.type == "DELETED":
            self._nodes.remove(event.object)
            return
        known = self._nodes.get(event.object["metadata"]["name"]) is not None
        self._nodes.update(event.object)
        if not known:
            for pod in list(self._seen.values()):
                self._consider(pod)

    def _on_pod(self, event: kube.Event) -> None:
        pod, uid = event.object, event.object["metadata"]["uid"]
        if event.type == "DELETED":
            self._seen.pop(uid, None)
            if running := self._pods.pop(uid, None):
                self._spawn(self._removed(running))
            return
        self._seen[uid] = pod
        self._consider(pod)

    async def _removed(self, pod: Pod) -> None:
        """The object is gone: nothing of the pod may go on."""
        if pod.terminating:
            pod.kill()
        elif not pod.finished:
            await pod.terminate(0.0, forced=True)

    def _consider(self, pod: Json) -> None:
        metadata, uid = pod["metadata"], pod["metadata"]["uid"]
        node = self._nodes.get(pod["spec"].get("nodeName") or "")
        running = self._pods.get(uid)
        if node is None and running is None:
            return
        if running is None and node is not None:
            phase = (pod.get("status") or {}).get("phase")
            running = self._new_pod(pod, node)
            self._pods[uid] = running
            if phase not in _ENDED and not metadata.get("deletionTimestamp"):
                running.start()
        assert running is not None
        running.update(pod)
        if metadata.get("deletionTimestamp") and not running.terminating:
            running.terminating = True
            self._spawn(running.terminate(float(metadata.get("deletionGracePeriodSeconds") or 0), forced=False))

    def _new_pod(self, pod: Json, node: Json) -> Pod:
        """A pod keeps the address that its status has, also over a restart of the kubelet."""
        address = (pod.get("status") or {}).get("podIP") or ""
        if not self._addresses.reserve(address):
            address = self._addresses.claim()
        return Pod(pod, node, address, self._machine, self._api, self, release=lambda: self._addresses.release(address))


async def run(directory: RehearsalDirectory, client: kube.DynamicClient) -> None:
    """Act as the kubelet of a rehearsal until cancelled.

    Raises:
        DirectoryError: the record can't be read.
    """
    record = directory.load_record()
    await Kubelet(Machine.of(directory), client, record.pod_cidr).run()
