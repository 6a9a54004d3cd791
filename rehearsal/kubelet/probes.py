"""Probes: when they run and what their results mean. What a probe does is in `probe_actions`."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

Json = dict[str, Any]

# The API takes whole seconds, one at least.
_SHORTEST_PERIOD = 1.0


@dataclass(frozen=True)
class Timing:
    """Numbers of a probe, with the API's defaults. Times in seconds; `starting_period` holds until it first succeeds."""

    initial_delay: float
    starting_period: float
    period: float
    timeout: float
    success_threshold: int
    failure_threshold: int

    @classmethod
    def of(cls, probe: Json, delay_scale: float = 1.0) -> Timing:
        """The timing that a probe declares, what waits for a start times `delay_scale`: starts are as much shorter here."""
        period = probe.get("periodSeconds") or 10
        return cls(
            initial_delay=(probe.get("initialDelaySeconds") or 0) * delay_scale,
            starting_period=min(period, max(_SHORTEST_PERIOD, period * delay_scale)),
            period=period,
            timeout=probe.get("timeoutSeconds") or 1,
            success_threshold=probe.get("successThreshold") or 1,
            failure_threshold=probe.get("failureThreshold") or 3,
        )

    def of_a_start(self) -> Timing:
        """With as many more failures allowed as they come faster: the time that a start may take is the declared one."""
        return replace(self, failure_threshold=math.ceil(self.failure_threshold * self.period / self.starting_period))


@dataclass
class Counter:
    """Turns single results into a state.

    Source: kubernetes pkg/kubelet/prober/worker.go (lastResult, resultRun): a result counts once it came as often in a
    row as its threshold says.
    """

    timing: Timing
    state: bool | None = None
    _last: bool | None = None
    _run: int = 0

    def observe(self, success: bool) -> bool:
        """Take one result; True where the state changed."""
        if success == self._last:
            self._run += 1
        else:
            self._last, self._run = success, 1
        needed = self.timing.success_threshold if success else self.timing.failure_threshold
        if self._run < needed or self.state == success:
            return False
        self.state = success
        return True


@dataclass(frozen=True)
class Result:
    """Outcome of one probe; `message` is for the event and never holds an answer's body."""

    success: bool
    message: str = ""


Action = Callable[[Timing], Awaitable[Result]]


@dataclass(frozen=True)
class Prober:
    """One probe of a running container.

    `failed` is told each failure's message, `changed` each change of the state.
    """

    timing: Timing
    action: Action
    failed: Callable[[str], None]
    changed: Callable[[bool], None]
    initial: bool | None

    async def run(self, started_at: float, *, until_success: bool = False) -> bool:
        """Probe until cancelled; a startup probe ends with its first state, which is returned.

        `started_at` is the container's start, `time.monotonic()`.
        """
        counter = Counter(self.timing.of_a_start() if until_success else self.timing, state=self.initial)
        starting = not self.initial
        await asyncio.sleep(max(0.0, started_at + self.timing.initial_delay - time.monotonic()))
        while True:
            begun = time.monotonic()
            result = await self._once()
            if not result.success:
                self.failed(result.message)
            if counter.observe(result.success):
                self.changed(result.success)
                if until_success:
                    return result.success
            starting = starting and not result.success
            period = self.timing.starting_period if starting else self.timing.period
            await asyncio.sleep(max(0.0, begun + period - time.monotonic()))

    async def _once(self) -> Result:
        try:
            async with asyncio.timeout(self.timing.timeout):
                return await self.action(self.timing)
        except TimeoutError:
            return Result(False, f"no answer within {self.timing.timeout:g} s")
