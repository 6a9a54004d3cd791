"""The records of a pod's containers when the kubelet meets it, also one that an earlier kubelet had started."""

from __future__ import annotations

from typing import Any

from rehearsal.kubelet.status import ContainerRecord, PodRecord, now

Json = dict[str, Any]

HOST_IP = "127.0.0.1"
KILLED = 137


def pod_record(pod: Json, pod_ip: str) -> PodRecord:
    """The record of a pod; containers that ran before start anew with one restart more, as after a restart of a node."""
    spec, status = pod["spec"], pod.get("status") or {}
    policy = spec.get("restartPolicy", "Always")
    inits = spec.get("initContainers") or []
    old = {entry["name"]: entry for entry in status.get("initContainerStatuses") or []}
    init = [_record(c, old.get(c["name"]), keeps_end=False, policy="Always") for c in inits]
    old = {entry["name"]: entry for entry in status.get("containerStatuses") or []}
    main = [_record(c, old.get(c["name"]), keeps_end=policy != "Always", policy=policy) for c in spec["containers"]]
    waiting = "PodInitializing" if inits else "ContainerCreating"
    for record in [*init, *main]:
        if "waiting" in record.state:
            record.state = {"waiting": {"reason": waiting}}
    return PodRecord(pod, HOST_IP, init, main, pod_ip, start_time=status.get("startTime") or now())


def _record(container: Json, old: Json | None, *, keeps_end: bool, policy: str) -> ContainerRecord:
    record = ContainerRecord(container["name"], container["image"], sidecar=container.get("restartPolicy") == "Always")
    if old is None or not old.get("containerID"):
        return record
    record.restarts = int(old["restartCount"])
    record.container_id = old["containerID"]
    record.last_state = old.get("lastState") or {}
    record.state = old["state"]
    if record.running:
        record.end(KILLED)
    if keeps_end and record.exit_code is not None and (policy == "Never" or record.exit_code == 0):
        return record
    record.restarts += 1
    record.wait("ContainerCreating")
    return record
