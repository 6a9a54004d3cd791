"""One pod: its volumes, its containers in order, its status, and its end."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import shutil
import time
from collections.abc import Coroutine, Sequence
from typing import Any

from kubernetes.client.exceptions import ApiException

from cluster.pods import PORTS_ANNOTATION
from rehearsal.kubelet.api import ERRORS, Api
from rehearsal.kubelet.container import Container, ContainerState, now
from rehearsal.kubelet.context import Context, Machine, MissingReferenceError, not_emulated
from rehearsal.kubelet.volumes import Volumes

log = logging.getLogger(__name__)

Json = dict[str, Any]

_RETRY_SECONDS = 1.0
# The same event of a pod is recorded again after this time only, seconds.
_EVENT_PAUSE = 60.0


def phase(policy: str, main: Sequence[ContainerState]) -> str:
    """Phase of a pod with a restartPolicy."""
    if any("waiting" in c.state and not c.last_state for c in main):
        return "Pending"
    if policy == "Always" or any(c.exit_code is None for c in main):
        return "Running"
    if all(c.exit_code == 0 for c in main):
        return "Succeeded"
    return "Failed" if policy == "Never" else "Running"


def pod_status(policy: str, ip: str, init: Sequence[ContainerState], main: Sequence[ContainerState], old: Json) -> Json:
    """The whole status; a condition that the `old` one had keeps its time."""
    unready = [c.name for c in main if not c.ready]
    lacking = {"Initialized": [c.name for c in init if c.exit_code != 0], "Ready": unready, "ContainersReady": unready}
    times = {(c["type"], c["status"]): c["lastTransitionTime"] for c in old.get("conditions", ())}
    conditions = []
    for kind, names in lacking.items():
        condition = {"type": kind, "status": "False" if names else "True", "message": ", ".join(names)}
        condition["lastTransitionTime"] = times.get((kind, condition["status"]), now())
        conditions.append(condition)
    return {
        "phase": phase(policy, main),
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "startTime": old.get("startTime") or now(),
        "conditions": conditions,
        "initContainerStatuses": [c.as_status() for c in init],
        "containerStatuses": [c.as_status() for c in main],
    }


class Pod:
    """A pod on one of our nodes."""

    def __init__(self, pod: Json, address: str, machine: Machine, api: Api) -> None:
        self._ending: asyncio.Task[None] | None = None
        self._pod = pod
        self._policy = pod["spec"].get("restartPolicy", "Always")
        self._api = api
        self._dirty = asyncio.Event()
        self._context = Context(pod, address, machine, self._dirty.set, self._event)
        self._events: dict[tuple[str, str], float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        inits = pod["spec"].get("initContainers") or []
        self._init = [Container(one, self._context, bool) for one in inits]  # until the exit code is 0
        self._main = [Container(one, self._context, self._restarts) for one in pod["spec"]["containers"]]

    def _restarts(self, code: int) -> bool:
        return self._policy == "Always" or (self._policy == "OnFailure" and code != 0)

    def start(self) -> None:
        """Begin the pod's life."""
        self._dirty.set()
        self._spawn(self._report())
        self._spawn(self._live())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _live(self) -> None:
        if unknown := [*not_emulated(self._emulated_part())]:
            text = f"not emulated: {', '.join(unknown)}"
            for container in [*self._init, *self._main]:
                container.state.wait("NotEmulated", text)
            self._event("Warning", "NotEmulated", text)
            self._dirty.set()
            return
        fresh = self._spawn(self._keep_fresh(await self._set_up_volumes()))
        for container in self._init:
            await container.run()
        await asyncio.gather(*(container.run() for container in self._main))
        self._dirty.set()
        fresh.cancel()
        self._clean()

    def _emulated_part(self) -> Json:
        """The spec without the containers that are only pretended, which are listed."""
        unknown = [c for c in [*self._init, *self._main] if c.image is None]
        with self._context.machine.directory.unknown_images.open("a", encoding="utf-8") as stream:
            stream.writelines(f"{self._context.name} {c.state.name} {c.state.image}\n" for c in unknown)
        known = {"initContainers": [c.spec for c in self._init if c.image]}
        return {**self._pod["spec"], **known, "containers": [c.spec for c in self._main if c.image]}

    async def _set_up_volumes(self) -> Volumes:
        """Volumes with all that is in them; a missing ConfigMap, Secret or account is waited for."""
        mounts_token = "serviceAccountToken" in json.dumps(self._pod["spec"].get("volumes"))
        while True:
            try:
                volumes = Volumes(self._context, await self._api.token(self._pod) if mounts_token else "")
                volumes.write()
                return volumes
            except (MissingReferenceError, *ERRORS) as error:
                self._event("Warning", "FailedMount", str(error.reason if isinstance(error, ApiException) else error))
            await asyncio.sleep(_RETRY_SECONDS)

    async def _keep_fresh(self, volumes: Volumes) -> None:
        """Mounted files follow their objects. What is gone stays mounted, as on a real node."""
        while True:
            await asyncio.sleep(_RETRY_SECONDS)
            try:
                volumes.write()
            except MissingReferenceError as error:
                log.debug("%s: %s", self._context.name, error)

    async def _report(self) -> None:
        """Write status and port map whenever they changed, until the pod is gone."""
        written: tuple[Json, dict[str, str]] = ({}, {})
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            init, main = ([one.state for one in containers] for containers in (self._init, self._main))
            status = copy.deepcopy(pod_status(self._policy, self._context.pod_ip, init, main, written[0]))
            ports = self._context.ports()
            current = status, {PORTS_ANNOTATION: json.dumps(ports)} if ports else {}
            if current == written:
                continue
            try:
                if not await self._api.write_status(self._pod, *current):
                    return
                written = current
            except ERRORS as error:
                log.warning("%s: the status can't be written: %s", self._context.name, error)
                self._dirty.set()
                await asyncio.sleep(_RETRY_SECONDS)

    def _event(self, kind: str, reason: str, message: str) -> None:
        present = time.monotonic()
        if present - self._events.get((reason, message), -_EVENT_PAUSE) >= _EVENT_PAUSE:
            self._events[reason, message] = present
            log.info("%s: %s: %s", self._context.name, reason, message)
            self._spawn(self._api.event(self._pod, kind, reason, message))

    def end(self, grace: float, *, gone: bool = False) -> None:
        """End the pod and delete its object; `gone` where there is none any more. Its files go, its logs stay."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._terminate(grace, gone=gone))

    async def _terminate(self, grace: float, *, gone: bool) -> None:
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for name in (one.state.name for one in self._main if "running" in one.state.state):
            self._event("Normal", "Killing", f"Stopping container {name}")
        await asyncio.gather(*(container.stop(grace) for container in [*self._init, *self._main]))
        self._clean()
        while not gone:
            try:
                await self._api.remove_pod(self._pod)
                gone = True
            except ERRORS as error:
                log.warning("%s: it can't be deleted: %s", self._context.name, error)
                await asyncio.sleep(_RETRY_SECONDS)

    def _clean(self) -> None:
        for name in ("_volumes", "_root"):
            shutil.rmtree(self._context.folder / name, ignore_errors=True)
        self._context.release_ports()

    def kill(self) -> None:
        """SIGKILL to every process of the pod, at once."""
        for container in [*self._init, *self._main]:
            container.kill()
