"""The status is what the kubelet writes: phase, conditions, states."""

from __future__ import annotations

from typing import Any

import pytest

from rehearsal.kubelet.records import pod_record
from rehearsal.kubelet.status import ContainerRecord, PodRecord
from tests.rehearsal.kubelet.fakes import pod

Json = dict[str, Any]


def _record(policy: str, *states: str, init: tuple[str, ...] = (), terminal: bool = False) -> PodRecord:
    return PodRecord(
        pod(restartPolicy=policy),
        "127.0.0.1",
        [_container(f"i{n}", state) for n, state in enumerate(init)],
        [_container(f"c{n}", state) for n, state in enumerate(states)],
        "127.65.0.10",
        terminal=terminal,
    )


def _container(name: str, state: str) -> ContainerRecord:
    record = ContainerRecord(name, "image")
    if state == "waiting":
        return record
    record.run("process://1", 0)
    if state == "running":
        record.ready = record.started = True
        return record
    record.end(int(state.removeprefix("crashed ")))
    if state.startswith("crashed"):
        record.wait("CrashLoopBackOff")
    return record


@pytest.mark.parametrize(
    ("policy", "init", "states", "phase"),
    [
        ("Always", (), ("waiting",), "Pending"),
        ("Always", (), ("running", "waiting"), "Pending"),
        ("Always", (), ("running",), "Running"),
        ("Always", (), ("crashed 1",), "Running"),
        ("Always", (), ("0",), "Running"),
        ("OnFailure", (), ("0",), "Succeeded"),
        ("OnFailure", (), ("0", "running"), "Running"),
        ("OnFailure", (), ("crashed 1",), "Running"),
        ("Never", (), ("0", "0"), "Succeeded"),
        ("Never", (), ("0", "3"), "Failed"),
        ("Never", ("1",), ("waiting",), "Failed"),
        ("Always", ("crashed 1",), ("waiting",), "Pending"),
        ("Always", ("running",), ("waiting",), "Pending"),
    ],
)
def test_phase(policy: str, init: tuple[str, ...], states: tuple[str, ...], phase: str) -> None:
    assert _record(policy, *states, init=init).phase() == phase


@pytest.mark.parametrize(("state", "phase"), [("0", "Succeeded"), ("143", "Failed")])
def test_a_terminated_pod_reaches_an_end_whatever_its_policy(state: str, phase: str) -> None:
    assert _record("Always", state, terminal=True).phase() == phase


def _conditions(record: PodRecord) -> dict[str, tuple[str, str | None]]:
    return {c["type"]: (c["status"], c.get("reason")) for c in record.conditions()}


def test_conditions_of_a_pod_that_serves_and_of_one_that_does_not() -> None:
    assert _conditions(_record("Always", "running")) == {
        "PodReadyToStartContainers": ("True", None),
        "Initialized": ("True", None),
        "Ready": ("True", None),
        "ContainersReady": ("True", None),
    }
    record = _record("Always", "running", "crashed 1", init=("running",))
    assert _conditions(record)["Initialized"] == ("False", "ContainersNotInitialized")
    assert _conditions(record)["Ready"] == ("False", "ContainersNotReady")
    messages = {c["type"]: c.get("message") for c in record.conditions()}
    assert messages["Initialized"] == "containers with incomplete status: [i0]"
    assert messages["ContainersReady"] == "containers with unready status: [c1]"


def test_conditions_of_an_ended_pod() -> None:
    assert _conditions(_record("Never", "0"))["Ready"] == ("False", "PodCompleted")
    assert _conditions(_record("Never", "0"))["Initialized"] == ("True", "PodCompleted")
    assert _conditions(_record("Never", "1"))["Ready"] == ("False", "PodFailed")


def test_a_readiness_gate_holds_ready_back() -> None:
    record = _record("Always", "running")
    record.pod["spec"]["readinessGates"] = [{"conditionType": "example.com/up"}]
    assert _conditions(record)["Ready"] == ("False", "ReadinessGatesNotReady")
    assert _conditions(record)["ContainersReady"] == ("True", None)
    record.pod["status"] = {"conditions": [{"type": "example.com/up", "status": "True"}]}
    assert _conditions(record)["Ready"] == ("True", None)


def test_the_time_of_a_condition_moves_only_with_its_status() -> None:
    subject = pod()
    old = {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    subject["status"] = {"conditions": [old, {**old, "type": "ContainersReady", "status": "True"}]}
    record = PodRecord(subject, "127.0.0.1", [], [_container("c", "waiting")], "127.65.0.10")
    times = {c["type"]: c["lastTransitionTime"] for c in record.conditions()}
    assert times["Ready"] == "2026-01-01T00:00:00Z"
    assert times["ContainersReady"] > "2026-01-01T00:00:00Z"


def test_a_restart_keeps_the_end_as_last_state() -> None:
    record = _container("c", "1")
    record.wait("CrashLoopBackOff", "back-off 10s")
    record.run("process://2", 1)
    status = record.as_status()
    assert status["lastState"]["terminated"]["exitCode"] == 1
    assert status["lastState"]["terminated"]["reason"] == "Error"
    assert status["state"]["running"]["startedAt"]
    assert status["restartCount"] == 1


def _met_again(policy: str, state: Json) -> ContainerRecord:
    subject = pod(restartPolicy=policy)
    entry = {"name": "main", "containerID": "process://9", "restartCount": 2, "state": state, "lastState": {}}
    subject["status"] = {"containerStatuses": [entry], "podIP": "127.65.0.10"}
    return pod_record(subject, "127.65.0.10").containers[0]


def test_a_container_that_ran_under_an_earlier_kubelet_starts_anew() -> None:
    record = _met_again("Always", {"running": {"startedAt": "2026-01-01T00:00:00Z"}})
    assert record.restarts == 3
    assert "waiting" in record.state
    assert record.last_state["terminated"]["exitCode"] == 137
    assert record.last_state["terminated"]["startedAt"] == "2026-01-01T00:00:00Z"


def test_what_must_not_run_again_does_not() -> None:
    ended = {"terminated": {"exitCode": 0, "reason": "Completed"}}
    assert _met_again("OnFailure", ended).exit_code == 0
    assert _met_again("Never", {"running": {"startedAt": "2026-01-01T00:00:00Z"}}).exit_code == 137
    assert _met_again("Always", ended).exit_code is None
