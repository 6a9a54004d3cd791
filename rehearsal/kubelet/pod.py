"""One pod: its volumes, its containers in order, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import shutil
from collections.abc import Callable, Coroutine
from typing import Any

from kubernetes.client.exceptions import ApiException

from cluster.pods import PORTS_ANNOTATION
from rehearsal.kubelet.api import ERRORS, Api
from rehearsal.kubelet.container import Container
from rehearsal.kubelet.environment import Surroundings
from rehearsal.kubelet.launch import PodPlace
from rehearsal.kubelet.machine import Machine
from rehearsal.kubelet.objects import MissingReferenceError, Objects
from rehearsal.kubelet.ports import PortMap
from rehearsal.kubelet.records import HOST_IP, pod_record
from rehearsal.kubelet.reporter import Reporter
from rehearsal.kubelet.status import ContainerRecord
from rehearsal.kubelet.tokens import Tokens
from rehearsal.kubelet.volumes import Volumes

log = logging.getLogger(__name__)

Json = dict[str, Any]

UNKNOWN_ANNOTATION = "rehearsal.tpu-serving/unknown-images"
_RETRY_SECONDS = 1.0
_DEFAULT_GRACE = 30.0


class Pod:
    """A pod on one of our nodes. `release` is called once, when its address may be used again."""

    def __init__(
        self,
        pod: Json,
        node: Json,
        pod_ip: str,
        machine: Machine,
        api: Api,
        objects: Objects,
        release: Callable[[], None],
    ) -> None:
        self.pod = pod
        self.terminating = False
        self.finished = False
        metadata = pod["metadata"]
        folder = machine.directory.pods / metadata["namespace"] / metadata["name"] / metadata["uid"]
        self.place = PodPlace(machine, folder, Volumes(pod, folder / "_volumes"), PortMap(pod_ip))
        self._record = pod_record(pod, pod_ip)
        self._reporter = Reporter(self._record, api)
        self._tokens = Tokens(api, pod, self.place.volumes.token_needs())
        self._node = node
        self._objects = objects
        self._release = release
        self._references = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._init = [
            self._container(spec, record, init=True)
            for spec, record in zip(pod["spec"].get("initContainers") or [], self._record.init)
        ]
        self._main = [
            self._container(spec, record, init=False)
            for spec, record in zip(pod["spec"]["containers"], self._record.containers)
        ]

    def _container(self, spec: Json, record: ContainerRecord, *, init: bool) -> Container:
        policy = self.pod["spec"].get("restartPolicy", "Always")

        def restart(code: int) -> bool:
            if record.sidecar:
                return True
            if init:
                return code != 0 and policy != "Never"
            return policy == "Always" or (policy == "OnFailure" and code != 0)

        return Container(spec, record, self, restart)

    # What containers ask for (see container.Owner)

    def surroundings(self) -> Surroundings:
        """The pod as it is now, for references."""
        addresses = {"podIP": self._record.pod_ip, "hostIP": HOST_IP}
        allocatable = (self._node.get("status") or {}).get("allocatable") or {}
        return Surroundings(self.pod, addresses, allocatable, self._objects)

    def changed(self) -> None:
        """A container's record changed."""
        self._reporter.changed()

    def event(self, kind: str, reason: str, message: str) -> None:
        """Something that `kubectl describe` should show."""
        self._reporter.event(kind, reason, message)

    async def references_changed(self) -> None:
        """Return after a ConfigMap or Secret that the pod may need has changed."""
        self._references.clear()
        await self._references.wait()

    async def announce_ports(self) -> None:
        """Publish the port map."""
        if ports := self.place.ports.as_annotation():
            await self._reporter.annotate({PORTS_ANNOTATION: json.dumps(ports)})

    # Life

    def start(self) -> None:
        """Begin the pod's life."""
        self._spawn(self._reporter.run())
        self.changed()
        self._spawn(self._live())

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("%s: %r", self._reporter.name, error, exc_info=error)

    async def _live(self) -> None:
        if any(container.record.exit_code is None for container in self._main):
            await self._list_unknown_images()
            await self._set_up_volumes()
            self._spawn(self._keep_fresh())
            if await self._initialize():
                await asyncio.gather(*(self._run_main(container) for container in self._main))
        await self._end(_DEFAULT_GRACE)
        await self._reporter.flush()

    async def _initialize(self) -> bool:
        """Init containers in order; False where one failed for good."""
        for container in self._init:
            if container.record.sidecar:
                self._spawn(container.run())
                await container.started.wait()
                continue
            code = await container.run()
            container.record.ready = code == 0
            self.changed()
            if code != 0:
                return False
        for container in self._main:
            if "waiting" in container.record.state:
                container.record.wait("ContainerCreating")
        return True

    @staticmethod
    async def _run_main(container: Container) -> int:
        code = container.record.exit_code
        return await container.run() if code is None else code

    async def _set_up_volumes(self) -> None:
        while True:
            try:
                await self._refresh()
                return
            except (MissingReferenceError, ValueError, *ERRORS) as error:
                self.event("Warning", "FailedMount", _words(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_RETRY_SECONDS):
                    await self.references_changed()

    async def _keep_fresh(self) -> None:
        """Renew tokens and mounted files as they change. What can't be renewed stays as it is, as on a real node."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._tokens.seconds_left()):
                    await self.references_changed()
            try:
                await self._refresh()
            except (MissingReferenceError, ValueError, *ERRORS) as error:
                self.event("Warning", "FailedMount", _words(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _refresh(self) -> None:
        await self._tokens.renew()
        self.place.volumes.write(self.surroundings(), self._tokens.values)

    async def _list_unknown_images(self) -> None:
        unknown = {c.spec["name"]: c.spec["image"] for c in [*self._init, *self._main] if c.image is None}
        if not unknown:
            return
        with self.place.machine.directory.unknown_images.open("a", encoding="utf-8") as stream:
            stream.writelines(f"{self._reporter.name} {name} {image}\n" for name, image in unknown.items())
        await self._reporter.annotate({UNKNOWN_ANNOTATION: json.dumps(unknown)})

    # Changes from outside

    def update(self, pod: Json) -> None:
        """The pod object changed."""
        before = self.pod["metadata"]
        self.pod = self._record.pod = pod
        if any(before.get(field) != pod["metadata"].get(field) for field in ("labels", "annotations")):
            self.reference_changed()
        self.changed()

    def reference_changed(self) -> None:
        """A ConfigMap, a Secret or the pod's own metadata changed."""
        self._references.set()

    async def terminate(self, grace: float, *, forced: bool) -> None:
        """End the pod and delete its object; `forced` where the object is gone already."""
        self.terminating = True
        self._reporter.gone = self._reporter.gone or forced
        await self._end(grace)
        await self._reporter.flush()
        await self._reporter.remove()

    def kill(self) -> None:
        """SIGKILL to every process of the pod, at once."""
        for container in [*self._init, *self._main]:
            container.kill()

    async def _end(self, grace: float) -> None:
        """Stop what runs: main containers side by side, then sidecars, last one first. Its files go, its logs stay."""
        current = asyncio.current_task()
        others = [task for task in self._tasks if task is not current]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace
        sidecars = [container for container in self._init if container.record.sidecar]
        plain = [container for container in self._init if not container.record.sidecar]
        await asyncio.gather(*(container.finish(grace) for container in [*plain, *self._main]))
        for container in reversed(sidecars):
            await container.finish(max(0.0, deadline - loop.time()))
        self._record.terminal = True
        self._clean()

    def _clean(self) -> None:
        if self.finished:
            return
        self.finished = True
        for name in ("_volumes", "_root"):
            shutil.rmtree(self.place.folder / name, ignore_errors=True)
        self.place.ports.release()
        self._release()


def _words(error: Exception) -> str:
    return str(error.reason if isinstance(error, ApiException) else error)
