"""What servers found in the bucket that they started from: what their init container said of weights and programs."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

from serving.checking.findings import Finding, failed, passed, warned
from serving.live.context import Context, title
from serving.live.servers import belongs
from serving.verify.registry import READING, check
from settings import names

_DENIED = ("HTTP 401", "HTTP 403", "no token from the metadata server")
_CLOSED = "compiles by itself"


@check(
    "starts",
    "Servers started from whole weights, and can keep what they compile",
    "the init container `weights` of the servers' pods, and the Job that fills the bucket",
    (*READING, "weights-not-filled", "weights-not-whole", "weights-denied", "compile-cache-closed"),
)
def starts(context: Context) -> Iterator[Finding]:
    """Where a model starts from a bucket; a pod that waits for its init container has said nothing yet."""
    filled = any(model.weights for model in context.models)
    jobs = {job["metadata"]["name"]: job for job in (context.objects("batch/v1", "Job") if filled else ())}
    found = False
    for model in context.models:
        if (job := jobs.get(names.weights_job(model.name))) is not None and (why := _failed(job)):
            yield failed("weights-not-filled", title(job), why)
        for pod in context.objects("v1", "Pod"):
            if belongs(pod, model) and (said := _said(pod)) is not None:
                found = True
                yield _judged(pod, *said)
    if not found:
        yield passed("bucket", "no server has said anything of one")


def _failed(job: dict[str, Any]) -> str:
    conditions = (job.get("status") or {}).get("conditions") or []
    ended = (item for item in conditions if item["type"] == "Failed" and item["status"] == "True")
    return next((str(item.get("message") or item.get("reason") or "failed") for item in ended), "")


def _said(pod: dict[str, Any]) -> tuple[bool, str] | None:
    """Whether the init container ended well, and its last words; None where it has not ended, or is not there."""
    for container in (pod.get("status") or {}).get("initContainerStatuses") or []:
        states = [container.get("state") or {}, container.get("lastState") or {}]
        ended = next((state["terminated"] for state in states if state.get("terminated")), None)
        if container["name"] == "weights" and ended is not None:
            return ended["exitCode"] == 0, " ".join(str(ended.get("message", "")).split())
    return None


def _judged(pod: dict[str, Any], well: bool, said: str) -> Finding:
    if not well:
        return failed("weights-denied" if any(w in said for w in _DENIED) else "weights-not-whole", title(pod), said)
    if _CLOSED in said:
        return warned("compile-cache-closed", title(pod), said)
    seconds = _start_seconds(pod)
    return passed(title(pod), said if seconds is None else f"ready {seconds} s after it had a node; {said}")


def _start_seconds(pod: dict[str, Any]) -> int | None:
    """From the pod's node to Ready, in whole seconds; None where it was not Ready yet, or the times are not written."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    times = {c["type"]: c.get("lastTransitionTime") for c in conditions if c["status"] == "True"}
    placed, ready = times.get("PodScheduled"), times.get("Ready")
    if not placed or not ready:
        return None
    parsed = [datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (placed, ready)]
    return round((parsed[1] - parsed[0]).total_seconds())
