"""One container: started, probed, restarted with back-off, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from rehearsal.kubelet.arguments import StartError
from rehearsal.kubelet.backoff import BackOff
from rehearsal.kubelet.environment import Surroundings
from rehearsal.kubelet.images import Image, find
from rehearsal.kubelet.launch import Launch, PodPlace, prepare
from rehearsal.kubelet.objects import MissingReferenceError
from rehearsal.kubelet.probe_actions import ProbeTarget
from rehearsal.kubelet.probes import Action, Prober, Result, Timing
from rehearsal.kubelet.process import Process
from rehearsal.kubelet.status import ContainerRecord

Json = dict[str, Any]

# Exit code of the container runtime for a program that could not be started.
START_ERROR = 128
# Seconds between SIGTERM and SIGKILL at least (kubernetes pkg/kubelet/kuberuntime, minimumGracePeriodInSeconds).
MINIMUM_GRACE = 2.0
# At most so much of the log becomes the termination message (kubernetes.io, "Determine the Reason for Pod Failure").
MESSAGE_LINES, MESSAGE_BYTES = 80, 2048


class Owner(Protocol):
    """What a container needs of its pod."""

    place: PodPlace
    terminating: bool

    def surroundings(self) -> Surroundings:
        """The pod as it is now, for references."""

    def changed(self) -> None:
        """The container's record changed."""

    def event(self, kind: str, reason: str, message: str) -> None:
        """Something that `kubectl describe` should show."""

    async def references_changed(self) -> None:
        """Return after a ConfigMap or Secret that the pod may need has changed."""

    async def announce_ports(self) -> None:
        """Publish the port map before the container listens."""


class Container:
    """`restart` says for an exit code whether the container is started again."""

    def __init__(self, spec: Json, record: ContainerRecord, owner: Owner, restart: Callable[[int], bool]) -> None:
        self.spec = spec
        self.record = record
        self.image: Image | None = find(spec["image"])
        self.started = asyncio.Event()
        self._owner = owner
        self._restart = restart
        # The number of the start under way; the record keeps the last one's until there is something to say of this one
        # (kubernetes pkg/kubelet/kubelet_pods.go convertToAPIContainerStatuses).
        self._start = record.restarts
        self._backoff = BackOff(owner.place.machine.backoff_scale)
        self._process: Process | None = None
        self._launch: Launch | None = None
        self._unhealthy: asyncio.Task[None] | None = None

    async def run(self) -> int:
        """Run until it ends for good; its last exit code. Cancelling leaves the process as it is."""
        while True:
            code = await self._run_once()
            self._owner.changed()
            if not self._restart(code):
                return code
            delay = self._backoff.next_delay(time.monotonic())
            if delay > 0:
                await self._wait_back_off(delay)
            self._start += 1

    async def _wait_back_off(self, delay: float) -> None:
        seconds = delay / self._owner.place.machine.backoff_scale
        name = self.spec["name"]
        text = f"back-off {seconds:.0f}s restarting failed container={name} (scaled to {delay:.1f}s)"
        self.record.wait("CrashLoopBackOff", text)
        self._owner.event("Warning", "BackOff", f"Back-off restarting failed container {name}")
        self._owner.changed()
        await asyncio.sleep(delay)

    async def _run_once(self) -> int:
        if self.image is None:
            return await self._pretend()
        try:
            launch = await self._prepared(self.image)
            await self._owner.announce_ports()
            log = self.log_file()
            process = await Process.start(launch.argv, launch.environment, launch.working_folder, log)
        except (StartError, OSError) as error:
            self.record.run(self.record.container_id, self._start)  # a start that failed is one as well
            self.record.end(START_ERROR, "StartError", str(error))
            self._owner.event("Warning", "Failed", f"Error: {error}")
            return START_ERROR
        self._launch, self._process = launch, process
        self.record.run(f"process://{process.pid}", self._start)
        self._owner.changed()
        probing = asyncio.create_task(self._probe(time.monotonic()))
        try:
            code = await process.wait()
        finally:
            await _cancel(probing)
        self._process = None
        self.started.clear()
        self.record.end(code, message=self._last_words() if code else "")
        return code

    async def _pretend(self) -> int:
        """An image that the table does not know: does nothing. In a pod that has an end, it ends at once."""
        self.record.run("unknown://image", self._start)
        if not self._restart(0):
            self.record.end(0)
            return 0
        self.record.started = self.record.ready = True
        self.started.set()
        self._owner.changed()
        await asyncio.Event().wait()
        return 0

    async def _prepared(self, image: Image) -> Launch:
        while True:
            try:
                return prepare(self.spec, image, self._owner.place, self._owner.surroundings())
            except MissingReferenceError as error:
                self.record.wait("CreateContainerConfigError", str(error))
                self._owner.event("Warning", "Failed", f"Error: {error}")
            except ValueError as error:
                raise StartError(str(error)) from error
            self._owner.changed()
            await self._owner.references_changed()

    def _last_words(self) -> str:
        """The end of the log, where the container asks for it (kubernetes pkg/kubelet/kuberuntime)."""
        if self.spec.get("terminationMessagePolicy") != "FallbackToLogsOnError":
            return ""
        lines = self.log_file().read_bytes().splitlines(keepends=True)[-MESSAGE_LINES:]
        return b"".join(lines)[-MESSAGE_BYTES:].decode("utf-8", "replace")

    def log_file(self) -> Path:
        """Log of the present start."""
        return self._owner.place.folder / str(self.spec["name"]) / f"{self._start}.log"

    # Probes

    async def _probe(self, started_at: float) -> None:
        try:
            startup = self._prober("startupProbe", None)
            if startup and not await startup.run(started_at, until_success=True):
                await self._kill_unhealthy("startup")
                return
            self.record.started = True
            self.started.set()
            readiness, liveness = self._prober("readinessProbe", False), self._prober("livenessProbe", True)
            self.record.ready = readiness is None
            self._owner.changed()
            await asyncio.gather(*(probe.run(started_at) for probe in (readiness, liveness) if probe))
        except ValueError as error:
            self._owner.event("Warning", "Unhealthy", f"probe errored: {error}")

    def _prober(self, field: str, initial: bool | None) -> Prober | None:
        probe = self.spec.get(field)
        if not probe:
            return None
        kind = field.removesuffix("Probe")
        target = ProbeTarget(self.spec, self._owner.place.ports, self._command_action)

        def failed(message: str) -> None:
            self._owner.event("Warning", "Unhealthy", f"{kind.capitalize()} probe failed: {message}")

        def changed(state: bool) -> None:
            if kind == "readiness":
                self.record.ready = state
                self._owner.changed()
            elif kind == "liveness" and not state:
                self._unhealthy = asyncio.create_task(self._kill_unhealthy(kind))

        timing = Timing.of(probe, self._owner.place.machine.probe_delay_scale)
        return Prober(timing, target.action(probe), failed, changed, initial)

    async def _kill_unhealthy(self, kind: str) -> None:
        if self._owner.terminating or self._process is None:
            return
        text = f"Container {self.spec['name']} failed {kind} probe, will be restarted"
        self._owner.event("Normal", "Killing", text)
        probe = self.spec.get(f"{kind}Probe") or {}
        default = self._owner.surroundings().pod["spec"].get("terminationGracePeriodSeconds", 30)
        await self.stop(float(probe.get("terminationGracePeriodSeconds") or default))

    def _command_action(self, command: list[str]) -> Action:
        return lambda _timing: self.execute(command)

    async def execute(self, command: list[str]) -> Result:
        """Run a command in the container; success is exit code 0. Its output is thrown away."""
        launch = self._launch
        if launch is None:
            return Result(False, "the container does not run")
        try:
            argv = launch.other(command)
            process = await Process.start(argv, launch.environment, launch.working_folder, None)
        except (StartError, OSError) as error:
            return Result(False, str(error))
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            await process.stop(0)
            raise
        return Result(code == 0, f"command ended with exit code {code}")

    # The end

    async def stop(self, grace: float) -> None:
        """preStop, SIGTERM, after `grace` seconds in all SIGKILL. Returns when the process has ended."""
        process = self._process
        if process is None:
            return
        deadline = time.monotonic() + grace
        hook = (self.spec.get("lifecycle") or {}).get("preStop")
        if hook and grace > 0:
            try:
                async with asyncio.timeout(grace):
                    await self._pre_stop(hook)
            except TimeoutError:
                self._owner.event("Warning", "FailedPreStopHook", f"PreStopHook did not end within {grace:g} s")
        await process.stop(max(MINIMUM_GRACE, deadline - time.monotonic()))

    async def _pre_stop(self, hook: Json) -> None:
        pause = pause_of(hook)
        if pause is not None:
            await asyncio.sleep(pause * self._owner.place.machine.pre_stop_scale)
            return
        if command := hook.get("exec"):
            result = await self.execute(list(command.get("command") or []))
        else:
            target = ProbeTarget(self.spec, self._owner.place.ports, self._command_action)
            result = await target.http(hook["httpGet"])
        if not result.success:
            self._owner.event("Warning", "FailedPreStopHook", f"PreStopHook failed: {result.message}")

    async def finish(self, grace: float) -> None:
        """End the container with its pod and note how it ended."""
        process = self._process
        if process is not None:
            await self.stop(grace)
            self.record.end(await process.wait())
            self._process = None
        elif self.record.running:
            self.record.end(0)

    def kill(self) -> None:
        """SIGKILL, at once."""
        if self._process is not None:
            self._process.kill()


def pause_of(hook: Json) -> float | None:
    """Seconds that a hook does nothing but wait, by the action `sleep` or by the program (KServe's presets); else None."""
    if sleep := hook.get("sleep"):
        return float(sleep["seconds"])
    command = (hook.get("exec") or {}).get("command") or []
    if len(command) == 2 and Path(command[0]).name == "sleep" and command[1].isdigit():
        return float(command[1])
    return None


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
