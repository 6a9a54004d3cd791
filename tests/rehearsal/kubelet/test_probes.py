"""Probes count, and phases are, as the kubelet's; that probes really ask is seen of pods (test_pods.py)."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing

import pytest

from rehearsal.kubelet.container import ContainerState
from rehearsal.kubelet.pod import phase
from rehearsal.kubelet.probes import ProbeError, Timing, states


@pytest.mark.parametrize(("period", "starting"), [(20, 2), (5, 1), (1, 1)])
def test_what_waits_for_a_start_is_scaled_and_its_budget_stays(period: int, starting: float) -> None:
    declared = {"initialDelaySeconds": 30, "periodSeconds": period, "timeoutSeconds": 5, "failureThreshold": 4}
    assert Timing.of(declared, 0.1) == Timing(3.0, starting, period, 5, 4)
    assert Timing.of(declared, 0.1, startup=True).failure_threshold * starting == period * 4


async def _collect(answers: list[bool], timing: Timing, initial: bool | None) -> tuple[list[tuple[int, bool]], int]:
    """After which answer the state changed and to what, and how many failures were told."""
    asked, told, changes = 0, list[str](), list[tuple[int, bool]]()

    async def ask() -> None:
        nonlocal asked
        asked += 1
        if asked > len(answers):
            raise asyncio.CancelledError
        if not answers[asked - 1]:
            raise ProbeError("no")

    async with aclosing(states(ask, timing, time.monotonic(), initial, told.append)) as found:
        try:
            async for state in found:
                changes.append((asked, state))
        except asyncio.CancelledError:
            return changes, len(told)
    raise AssertionError("it ends only when it is closed")


@pytest.mark.parametrize(
    ("initial", "answers", "changes"),
    [
        (None, [False, False, True], [(3, True)]),
        (None, [False, False, False], [(3, False)]),
        (False, [False, True, False, False, True, False, False, False], [(2, True), (8, False)]),
        (True, [False, False, True, False, False, False], [(6, False)]),
    ],
)
def test_a_failure_counts_after_its_threshold_in_a_row_and_a_success_at_once(
    initial: bool | None, answers: list[bool], changes: list[tuple[int, bool]]
) -> None:
    timing = Timing(0, 0.001, 0.001, 1, 3)
    assert asyncio.run(_collect(answers, timing, initial)) == (changes, answers.count(False))


@pytest.mark.parametrize(("initial", "wanted"), [(False, [1, 1, 10, 10]), (True, [10, 10, 10, 10])])
def test_the_short_period_ends_with_the_first_success_and_never_holds_for_liveness(
    initial: bool, wanted: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(round(seconds))

    monkeypatch.setattr("rehearsal.kubelet.probes.asyncio.sleep", sleep)
    asyncio.run(_collect([False, False, True, False], Timing.of({}, 0.1), initial))
    assert slept[1:] == wanted


def test_an_action_that_takes_too_long_fails() -> None:
    async def scenario() -> list[str]:
        told: list[str] = []

        async def hang() -> None:
            await asyncio.Event().wait()

        async with aclosing(states(hang, Timing(0, 0.001, 0.001, 0.01, 2), 0.0, None, told.append)) as found:
            assert await anext(found) is False
        return told

    assert asyncio.run(scenario()) == ["no answer within 0.01 s"] * 2


def state(name: str, *history: str) -> ContainerState:
    made = ContainerState(name, "image")
    for number, event in enumerate(history):
        if event == "running":
            made.run("process://1", number)
            made.ready = made.started = True
        elif event == "waiting":
            made.wait("CrashLoopBackOff", "back-off 10s")
        else:
            made.end(int(event))
    return made


@pytest.mark.parametrize(
    ("policy", "histories", "expected"),
    [
        ("Always", [()], "Pending"),
        ("Always", [("running",), ()], "Pending"),
        ("Always", [("running",)], "Running"),
        ("Always", [("running", "1", "waiting")], "Running"),
        ("Always", [("running", "0")], "Running"),
        ("OnFailure", [("running", "0")], "Succeeded"),
        ("OnFailure", [("running", "0"), ("running",)], "Running"),
        ("OnFailure", [("running", "1", "waiting")], "Running"),
        ("Never", [("running", "0"), ("running", "0")], "Succeeded"),
        ("Never", [("running", "0"), ("running", "3")], "Failed"),
    ],
)
def test_phase(policy: str, histories: list[tuple[str, ...]], expected: str) -> None:
    assert phase(policy, [state(f"c{number}", *history) for number, history in enumerate(histories)]) == expected
