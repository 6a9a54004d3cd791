"""A pod's status as the kubelet writes it, from what is known of its containers."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


def now() -> str:
    """The present time as the API writes it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class ContainerRecord:
    """What the status says about one container."""

    name: str
    image: str
    sidecar: bool = False
    state: Json = field(default_factory=lambda: {"waiting": {"reason": "ContainerCreating"}})
    last_state: Json = field(default_factory=dict)
    ready: bool = False
    started: bool = False
    restarts: int = 0
    container_id: str = ""

    @property
    def running(self) -> bool:
        """True while its process runs."""
        return "running" in self.state

    @property
    def exit_code(self) -> int | None:
        """Exit code where it ended and is not started again."""
        ended = self.state.get("terminated")
        return int(ended["exitCode"]) if ended else None

    def wait(self, reason: str, message: str = "") -> None:
        """It does not run, for a reason; an earlier end stays visible as the last state."""
        if "terminated" in self.state:
            self.last_state = self.state
        self.state = {"waiting": {"reason": reason} | ({"message": message} if message else {})}
        self.ready = self.started = False

    def run(self, container_id: str, restarts: int) -> None:
        """Its process runs now, for the first time or again."""
        if "terminated" in self.state:
            self.last_state = self.state
        self.container_id, self.restarts = container_id, restarts
        self.state = {"running": {"startedAt": now()}}

    def end(self, exit_code: int, reason: str | None = None, message: str = "") -> None:
        """Its process ended."""
        started = (self.state.get("running") or {}).get("startedAt") or now()
        self.state = {
            "terminated": {
                "exitCode": exit_code,
                "reason": reason or ("Completed" if exit_code == 0 else "Error"),
                "startedAt": started,
                "finishedAt": now(),
                "containerID": self.container_id,
            }
            | ({"message": message} if message else {})
        }
        self.ready = self.started = False

    def as_status(self) -> Json:
        """The entry of `containerStatuses`."""
        return {
            "name": self.name,
            "image": self.image,
            "imageID": self.image if self.container_id else "",
            "containerID": self.container_id,
            "state": self.state,
            "lastState": self.last_state,
            "ready": self.ready,
            "started": self.started,
            "restartCount": self.restarts,
        }


@dataclass
class PodRecord:
    """What the status says about one pod. `terminal` is set once nothing of it runs or will run again."""

    pod: Json
    host_ip: str
    init: Sequence[ContainerRecord]
    containers: Sequence[ContainerRecord]
    pod_ip: str = ""
    start_time: str = field(default_factory=now)
    terminal: bool = False
    _conditions: dict[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        written = (self.pod.get("status") or {}).get("conditions") or []
        self._conditions = {condition["type"]: condition for condition in written}

    def phase(self) -> str:
        """Phase of the pod.

        Source: kubernetes pkg/kubelet/kubelet_pods.go getPhase.
        """
        policy = self.pod["spec"].get("restartPolicy", "Always")
        if policy == "Never" and any(c.exit_code for c in self.init if not c.sidecar):
            return "Failed"
        never_ran = [c for c in self.containers if "waiting" in c.state and not c.last_state]
        idle = all("waiting" in c.state for c in self.containers)
        if never_ran or (idle and not self.initialized()):
            return "Pending"
        if any(c.exit_code is None for c in self.containers) or (policy == "Always" and not self.terminal):
            return "Running"
        if all(c.exit_code == 0 for c in self.containers):
            return "Succeeded"
        return "Failed" if policy == "Never" or self.terminal else "Running"

    def initialized(self) -> bool:
        """True when every init container has done its work (a sidecar: has started)."""
        return not self._incomplete()

    def ready(self) -> bool:
        """True when all containers are ready."""
        return not self._unready()

    def _incomplete(self) -> list[str]:
        return [c.name for c in self.init if not (c.started if c.sidecar else c.exit_code == 0)]

    def _unready(self) -> list[str]:
        sidecars = [c for c in self.init if c.sidecar]
        return [c.name for c in [*sidecars, *self.containers] if not c.ready]

    def conditions(self) -> list[Json]:
        """The kubelet's conditions; the time of a change is kept where the condition did not change."""
        phase = self.phase()
        done = phase in ("Succeeded", "Failed")
        wanted = [_condition("PodReadyToStartContainers", bool(self.pod_ip) and not done)]
        if phase == "Succeeded":
            wanted.append(_condition("Initialized", True, "PodCompleted"))
            wanted += [_condition(kind, False, "PodCompleted") for kind in ("Ready", "ContainersReady")]
        else:
            incomplete, unready = self._incomplete(), self._unready()
            text = f"containers with incomplete status: [{' '.join(incomplete)}]"
            wanted.append(_condition("Initialized", not incomplete, "ContainersNotInitialized", text))
            text = f"containers with unready status: [{' '.join(unready)}]"
            reason = "PodFailed" if phase == "Failed" else "ContainersNotReady"
            wanted.append(self._gates() or _condition("Ready", not unready, reason, text))
            wanted.append(_condition("ContainersReady", not unready, reason, text))
        return [self._dated(condition) for condition in wanted]

    def _gates(self) -> Json | None:
        """The Ready condition where only a readiness gate is missing."""
        if self._unready():
            return None
        present = {c["type"]: c["status"] for c in (self.pod.get("status") or {}).get("conditions") or []}
        gates = [gate["conditionType"] for gate in self.pod["spec"].get("readinessGates") or []]
        missing = [gate for gate in gates if present.get(gate) != "True"]
        if not missing:
            return None
        text = "; ".join(f'corresponding condition of pod readiness gate "{gate}" does not exist.' for gate in missing)
        return _condition("Ready", False, "ReadinessGatesNotReady", text)

    def _dated(self, condition: Json) -> Json:
        old = self._conditions.get(condition["type"]) or {}
        same = old.get("status") == condition["status"]
        dated = condition | {"lastTransitionTime": (same and old.get("lastTransitionTime")) or now()}
        self._conditions[condition["type"]] = dated
        return dated

    def as_status(self) -> Json:
        """The whole status."""
        status: Json = {
            "phase": self.phase(),
            "hostIP": self.host_ip,
            "hostIPs": [{"ip": self.host_ip}],
            "startTime": self.start_time,
            "conditions": self.conditions(),
            "containerStatuses": [c.as_status() for c in self.containers],
            "qosClass": (self.pod.get("status") or {}).get("qosClass", "BestEffort"),
        }
        if self.init:
            status["initContainerStatuses"] = [c.as_status() for c in self.init]
        if self.pod_ip:
            status |= {"podIP": self.pod_ip, "podIPs": [{"ip": self.pod_ip}]}
        return status


def _condition(kind: str, holds: bool, reason: str = "", message: str = "") -> Json:
    condition: Json = {"type": kind, "status": "True" if holds else "False"}
    if not holds or reason == "PodCompleted":
        condition |= {"reason": reason} if reason else {}
        condition |= {"message": message} if message else {}
    return condition
