"""One container: a process group, started, probed, restarted with back-off, stopped."""

from __future__ import annotations

import asyncio
import datetime
import os
import signal
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rehearsal.die_with_parent import wrap
from rehearsal.kubelet.context import Context, MissingReferenceError
from rehearsal.kubelet.launch import ROOT_VARIABLE, TERMINATION_LOG, Image, StartError, find, prepare
from rehearsal.kubelet.probes import Timing, action, states

Json = dict[str, Any]

# Exit code of the container runtime for a program that could not be started.
START_ERROR = 128
# Seconds between SIGTERM and SIGKILL at least (kubernetes pkg/kubelet/kuberuntime, minimumGracePeriodInSeconds).
MINIMUM_GRACE = 2.0
# So much of the log becomes the termination message (kubernetes.io, "Determine the Reason for Pod Failure").
MESSAGE_BYTES = 2048
RETRY_SECONDS = 0.5
# Back-off: at once, then 10 s, 20 s ... 300 s, forgotten after twice the longest (kubernetes v1.36 pkg/kubelet/kubelet.go,
# client-go util/flowcontrol/backoff.go).
FIRST_BACKOFF, LONGEST_BACKOFF = 10.0, 300.0


def now() -> str:
    """The present time as the API writes it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


@dataclass
class ContainerState:
    """What the status says about one container."""

    name: str
    image: str
    state: Json = field(default_factory=lambda: {"waiting": {"reason": "ContainerCreating"}})
    last_state: Json = field(default_factory=dict)
    ready: bool = False
    started: bool = False
    restarts: int = 0
    container_id: str = ""

    @property
    def exit_code(self) -> int | None:
        """Exit code where it ended and is not started again."""
        ended = self.state.get("terminated")
        return int(ended["exitCode"]) if ended else None

    def wait(self, reason: str, message: str = "") -> None:
        """It does not run, for a reason; an earlier end stays visible as the last state."""
        self._replace({"waiting": {"reason": reason, "message": message}})

    def run(self, container_id: str, restarts: int) -> None:
        """Its process runs now, for the first time or again."""
        self.container_id, self.restarts = container_id, restarts
        self._replace({"running": {"startedAt": now()}})

    def end(self, exit_code: int, message: str = "") -> None:
        """Its process ended."""
        ended = {"exitCode": exit_code, "reason": "Error" if exit_code else "Completed", "message": message}
        ended |= {"startedAt": self.state.get("running", {}).get("startedAt", now()), "finishedAt": now()}
        self._replace({"terminated": ended | {"containerID": self.container_id}})

    def _replace(self, state: Json) -> None:
        if "terminated" in self.state:
            self.last_state = self.state
        self.state = state
        self.ready = self.started = False

    def as_status(self) -> Json:
        """The entry of `containerStatuses`."""
        return {
            "name": self.name,
            "image": self.image,
            "imageID": "",
            "containerID": self.container_id,
            "state": self.state,
            "lastState": self.last_state,
            "ready": self.ready,
            "started": self.started,
            "restartCount": self.restarts,
        }


class Container:
    """`restart` says for an exit code whether the container is started again."""

    def __init__(self, spec: Json, context: Context, restart: Callable[[int], bool]) -> None:
        self.spec = spec
        self.state = ContainerState(spec["name"], spec["image"])
        self.image: Image | None = find(spec["image"])
        self._context = context
        self._record = context.machine.record
        self._restart = restart
        self._start = 0  # the number of the start under way
        self._process: asyncio.subprocess.Process | None = None

    async def run(self) -> int:
        """Run until it ends for good; its last exit code. Cancelling leaves the process as it is."""
        backoff, scale = 0.0, self._record.backoff_scale
        while True:
            begun = time.monotonic()
            code = await self._run_once()
            self._context.changed()
            if not self._restart(code):
                return code
            if time.monotonic() - begun > 2 * LONGEST_BACKOFF * scale:
                backoff = 0.0
            if backoff:
                text = f"back-off {backoff:.0f}s restarting failed container={self.state.name} (here times {scale:g})"
                self._wait("CrashLoopBackOff", text, "BackOff")
                await asyncio.sleep(backoff * scale)
            backoff = min(backoff * 2, LONGEST_BACKOFF) or FIRST_BACKOFF
            self._start += 1

    def _wait(self, reason: str, message: str, event: str) -> None:
        self.state.wait(reason, message)
        self._context.event("Warning", event, message)
        self._context.changed()

    async def _run_once(self) -> int:
        if self.image is None:
            return await self._pretend()
        try:
            process = self._process = await self._spawn(self.image)
        except (StartError, OSError) as error:
            self.state.run("", self._start)
            self.state.end(START_ERROR, str(error))
            self._context.event("Warning", "Failed", f"Error: {error}")
            return START_ERROR
        self.state.run(f"process://{process.pid}", self._start)
        self._context.changed()
        probing = asyncio.create_task(self._probe(time.monotonic()))
        try:
            code = await process.wait()
        finally:
            probing.cancel()
        self.kill()  # the rest of its group ends too
        self._process = None
        code = code if code >= 0 else 128 - code
        self.state.end(code, self._last_words(code))
        return code

    async def _pretend(self) -> int:
        """An image that the table does not know: does nothing. In a pod that has an end, it ends at once."""
        self.state.run("unknown://image", self._start)
        if not self._restart(0):
            self.state.end(0)
            return 0
        self.state.started = self.state.ready = True
        self._context.changed()
        await asyncio.Event().wait()
        return 0

    async def _spawn(self, image: Image) -> asyncio.subprocess.Process:
        """Start in a group of its own, with both outputs in the log, once all that its environment needs is there."""
        while True:
            try:
                argv, environment = prepare(self.spec, image, self._context)
                break
            except MissingReferenceError as error:
                self._wait("CreateContainerConfigError", str(error), "Failed")
            await asyncio.sleep(RETRY_SECONDS)
        self.log_file().parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(self.log_file(), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
            return await asyncio.create_subprocess_exec(
                *wrap(argv),  # it dies with the kubelet
                env=environment,
                cwd=environment[ROOT_VARIABLE],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _last_words(self, code: int) -> str:
        """What it wrote for this, else the end of the log where it asks for that (kubernetes pkg/kubelet/kuberuntime)."""
        with suppress(FileNotFoundError):
            written = self._context.folder / "_root" / self.state.name / TERMINATION_LOG.lstrip("/")
            return written.read_bytes()[:MESSAGE_BYTES].decode("utf-8", "replace")
        if not code or self.spec.get("terminationMessagePolicy") != "FallbackToLogsOnError":
            return ""
        return self.log_file().read_bytes()[-MESSAGE_BYTES:].decode("utf-8", "replace")

    def log_file(self) -> Path:
        """Log of the present start."""
        return self._context.folder / self.state.name / f"{self._start}.log"

    async def _probe(self, started_at: float) -> None:
        """The startup probe first, then the others side by side; a failed startup or liveness is the end of it."""
        async with aclosing(self._states("startupProbe", started_at, None)) as startup:
            alive = await anext(startup)
        if alive:
            self.state.started, self.state.ready = True, "readinessProbe" not in self.spec
            self._context.changed()
            readiness = asyncio.create_task(self._watch_readiness(started_at))
            try:
                async with aclosing(self._states("livenessProbe", started_at, True)) as liveness:
                    await anext(liveness)
            finally:
                readiness.cancel()
        kind = "liveness" if alive else "startup"
        self._context.event("Normal", "Killing", f"Container {self.state.name} failed {kind} probe, will be restarted")
        await self.stop(float(self._context.pod["spec"]["terminationGracePeriodSeconds"]))

    async def _watch_readiness(self, started_at: float) -> None:
        async for ready in self._states("readinessProbe", started_at, False):
            self.state.ready = ready
            self._context.changed()

    async def _states(self, field: str, started_at: float, initial: bool | None) -> AsyncGenerator[bool, None]:
        """Changes of a probe's state. Without a startup probe a container has started; of others nothing is heard."""
        if field not in self.spec:
            if initial is None:
                yield True
            await asyncio.Event().wait()
        kind = field.removesuffix("Probe").capitalize()

        def failed(message: str) -> None:
            self._context.event("Warning", "Unhealthy", f"{kind} probe failed: {message}")

        timing = Timing.of(self.spec[field], self._record.probe_delay_scale, startup=initial is None)
        ask = action(self.spec[field], self.spec, self._context.address)
        async with aclosing(states(ask, timing, started_at, initial, failed)) as changes:
            async for state in changes:
                yield state

    async def stop(self, grace: float) -> None:
        """preStop, SIGTERM, after `grace` seconds in all SIGKILL. Returns when the process has ended."""
        process, deadline = self._process, time.monotonic() + grace
        if process is None:
            return
        if hook := (self.spec.get("lifecycle") or {}).get("preStop"):  # /bin/sleep SECONDS
            await asyncio.sleep(min(grace, float(hook["exec"]["command"][-1]) * self._record.pre_stop_scale))
        self.kill(signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(max(MINIMUM_GRACE, deadline - time.monotonic())):
                await process.wait()
        self.kill()
        await process.wait()

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Signal the whole process group; nothing where it is gone."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
