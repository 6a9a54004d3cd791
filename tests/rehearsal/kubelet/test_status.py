"""The status is what the kubelet writes: phase, conditions, states."""

from __future__ import annotations

import pytest

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
