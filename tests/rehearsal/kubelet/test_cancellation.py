"""The end of a pod waits for all that goes on in it: what is cancelled has to end, whatever happens at that moment."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from rehearsal.kubelet.pod import Pod
from rehearsal.kubelet.probes import Prober, Result, Timing

# Turns of the event loop between what is waited for and the cancellation.
TURNS = range(8)


async def _ends(task: asyncio.Task[Any], turns: int) -> bool:
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=5)
    return bool(done)


@pytest.mark.parametrize("turns", TURNS)
def test_renewing_mounted_files_ends_as_a_secret_changes(turns: int) -> None:
    async def scenario() -> bool:
        pod: Any = Pod.__new__(Pod)
        pod._references = asyncio.Event()
        pod._tokens = SimpleNamespace(seconds_left=lambda: 3600.0)

        async def refresh() -> None:
            await asyncio.sleep(0)

        pod._refresh = refresh
        task = asyncio.create_task(pod._keep_fresh())
        await asyncio.sleep(0.01)
        pod.reference_changed()
        return await _ends(task, turns)

    assert asyncio.run(scenario())


@pytest.mark.parametrize("turns", TURNS)
def test_probing_ends_as_an_answer_comes(turns: int) -> None:
    async def scenario() -> bool:
        answered = asyncio.Event()

        async def action(_timing: Timing) -> Result:
            await answered.wait()
            return Result(True, "")

        timing = Timing.of({"periodSeconds": 1, "timeoutSeconds": 3600}, 1.0)
        prober = Prober(timing, action, lambda _message: None, lambda _state: None, None)
        task = asyncio.create_task(prober.run(0.0))
        await asyncio.sleep(0.01)
        answered.set()
        return await _ends(task, turns)

    assert asyncio.run(scenario())
