"""The status is what the kubelet writes: phase, conditions, states."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehearsal.kubelet.container import ContainerState
from rehearsal.kubelet.pod import phase


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


@given(st.lists(st.sampled_from(["running", "0", "7", "waiting"]), max_size=8))
def test_what_does_not_run_is_not_ready_and_an_end_stays_visible_as_the_last_state(history: list[str]) -> None:
    status = state("c", *history).as_status()
    assert status["ready"] is status["started"] is ("running" in status["state"])
    ends = [event for event in history if event.isdigit()]
    shown = [one["terminated"]["exitCode"] for one in (status["lastState"], status["state"]) if "terminated" in one]
    assert shown[-1:] == [int(code) for code in ends[-1:]]
