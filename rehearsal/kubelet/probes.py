"""Probes: when they ask, what they ask, and what their results mean.

Source: kubernetes v1.36 pkg/kubelet/prober/worker.go, pkg/probe/{http,grpc}.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import grpc.aio

Json = dict[str, Any]

_SHORTEST_PERIOD = 1.0  # the API takes whole seconds, one at least


class ProbeError(Exception):
    """A failed probe; the message is for the event and never holds an answer's body."""


@dataclass(frozen=True)
class Timing:
    """Numbers of a probe, with the API's defaults. Times in seconds; `starting_period` holds until it first succeeds."""

    initial_delay: float
    starting_period: float
    period: float
    timeout: float
    failure_threshold: int

    @classmethod
    def of(cls, probe: Json, delay_scale: float = 1.0, *, startup: bool = False) -> Timing:
        """The timing that a probe declares, what waits for a start times `delay_scale`: starts are as much shorter here.

        A startup probe may fail as many times more as it asks faster: the time that a start may take is the declared one.
        """
        period = probe.get("periodSeconds") or 10
        starting = min(period, max(_SHORTEST_PERIOD, period * delay_scale))
        failures = probe.get("failureThreshold") or 3
        return cls(
            initial_delay=(probe.get("initialDelaySeconds") or 0) * delay_scale,
            starting_period=starting,
            period=period,
            timeout=probe.get("timeoutSeconds") or 1,
            failure_threshold=math.ceil(failures * period / starting) if startup else failures,
        )


async def states(
    ask: Callable[[], Awaitable[None]],
    timing: Timing,
    started_at: float,
    initial: bool | None,
    failed: Callable[[str], None],
) -> AsyncGenerator[bool, None]:
    """Ask until closed: each change of the state. A failure counts once it came as many times in succession as its threshold says.

    `started_at` is the container's start (`time.monotonic()`), `failed` is told each failure.
    """
    state, run, starting = initial, 0, not initial
    await asyncio.sleep(max(0.0, started_at + timing.initial_delay - time.monotonic()))
    while True:
        begun = time.monotonic()
        try:
            async with asyncio.timeout(timing.timeout):
                await ask()
            success = True
        except TimeoutError:
            success = False
            failed(f"no answer within {timing.timeout:g} s")
        except ProbeError as error:
            success = False
            failed(str(error))
        run, starting = 0 if success else run + 1, starting and not success
        if success is not state and (success or run >= timing.failure_threshold):
            state = success
            yield state
        period = timing.starting_period if starting else timing.period
        await asyncio.sleep(max(0.0, begun + period - time.monotonic()))


def action(probe: Json, container: Json, address: Callable[[int], str]) -> Callable[[], Awaitable[None]]:
    """What a probe asks, httpGet or grpc; it raises ProbeError. `address` is where a container port is reached."""
    how = probe.get("httpGet") or probe["grpc"]
    named = {port.get("name"): port["containerPort"] for port in container.get("ports") or []}
    where = address(int(named.get(how["port"], how["port"])))
    if "grpc" in probe:
        return lambda: _grpc(where, how.get("service") or "")
    return lambda: _http(f"{(how.get('scheme') or 'HTTP').lower()}://{where}{how.get('path') or '/'}")


async def _http(url: str) -> None:
    """An answer from 200 to 399 is a success; certificates are not verified, redirects not followed."""
    try:
        async with aiohttp.ClientSession() as session, session.get(url, ssl=False, allow_redirects=False) as answer:
            if not 200 <= answer.status < 400:
                raise ProbeError(f"HTTP probe failed with statuscode: {answer.status}")
    except (aiohttp.ClientError, OSError) as error:
        raise ProbeError(f"Get {url}: {error}") from error


async def _grpc(address: str, service: str) -> None:
    # HealthCheckRequest has one string, HealthCheckResponse one enum (1 is SERVING): not worth a generated module.
    request = b"\x0a" + bytes([len(service)]) + service.encode()
    async with grpc.aio.insecure_channel(address) as channel:
        check: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
        try:
            answer: bytes = await check(request)
        except grpc.aio.AioRpcError as error:
            raise ProbeError(f"gRPC health check: {error.code().name}") from error
    if answer != b"\x08\x01":
        raise ProbeError("service unhealthy (not SERVING)")
