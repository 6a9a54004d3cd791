"""What servers found in the bucket that they started from: what their init container said of weights and programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from serving.checking.findings import Finding, failed, passed, warned
from serving.live.context import Context, title
from serving.live.servers import belongs
from serving.live.starts import last_words
from serving.verify.registry import KUBERNETES_FAILURES, check
from settings import names

_DENIED = ("HTTP 401", "HTTP 403", "no token from the metadata server")
_CLOSED = "compiles by itself"


@check(
    "starts",
    "Servers started from whole weights, and can keep what they compile",
    "the init container `weights` of the servers' pods, and the Job that fills the bucket",
    (*KUBERNETES_FAILURES, "weights-not-filled", "weights-not-whole", "weights-denied", "compile-cache-closed"),
)
def starts(context: Context) -> Iterator[Finding]:
    """Where a model starts from a bucket; a pod that waits for its init container has said nothing yet."""
    filled = any(model.weights for model in context.models)
    jobs = context.by_name("batch/v1", "Job") if filled else {}
    found = False
    for model in context.models:
        if (job := jobs.get(names.weights_job(model.name))) is not None and (why := _failed(job)):
            words = "; ".join(dict.fromkeys((why, *_words(context, job["metadata"]["name"]))))
            denied = any(word in words for word in _DENIED)
            yield failed("weights-denied" if denied else "weights-not-filled", title(job), words)
        for pod in context.objects("v1", "Pod"):
            if belongs(pod, model) and (said := last_words(pod)) is not None:
                found = True
                yield _judged(pod, *said)
    if not found:
        yield passed("bucket", "no server has said anything of one")


def _words(context: Context, job: str) -> Iterator[str]:
    """The last words of a Job's pods."""
    for pod in context.objects("v1", "Pod"):
        if (pod["metadata"].get("labels") or {}).get("batch.kubernetes.io/job-name") == job:
            for container in (pod.get("status") or {}).get("containerStatuses") or []:
                ended = (container.get("state") or {}).get("terminated") or {}
                if ended.get("exitCode"):
                    yield " ".join(str(ended.get("message") or "no message").split())


def _failed(job: dict[str, Any]) -> str:
    conditions = (job.get("status") or {}).get("conditions") or []
    ended = (item for item in conditions if item["type"] == "Failed" and item["status"] == "True")
    return next((str(item.get("message") or item.get("reason") or "failed") for item in ended), "")


def _judged(pod: dict[str, Any], well: bool, said: str) -> Finding:
    if not well:
        return failed("weights-denied" if any(w in said for w in _DENIED) else "weights-not-whole", title(pod), said)
    if _CLOSED in said:
        return warned("compile-cache-closed", title(pod), said)
    return passed(title(pod), said)
