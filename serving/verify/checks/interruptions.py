"""Whether every model has a ready server, and where it had none for a while: since when, and what took it away."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from cluster.errors import CannotAskError
from serving.checking.findings import Finding, failed, passed, warned
from serving.live.context import NONE_NOW, Context, scaled_to_zero
from serving.live.servers import belongs
from serving.verify.registry import KUBERNETES_FAILURES, check
from settings.outputs import ModelOutput

# KServe 0.20 `pkg/controller/v1alpha2/llmisvc`: a Deployment `NAME-kserve`, or a LeaderWorkerSet `NAME-kserve-mn`.
_SERVERS = r"{}-kserve-(?:mn-\d+|[a-z0-9]+-[a-z0-9]{{5}})"
_WORKER = "leaderworkerset.sigs.k8s.io/worker-index"


@check(
    "endpoints",
    "Every model has a ready endpoint",
    "servers of every model that are ready, and the kubelet's events of those that ended in the last hour",
    (*KUBERNETES_FAILURES, "node-drained", "no-ready-endpoint", "was-away"),
)
def endpoints(context: Context) -> Iterator[Finding]:
    """An interruption is named while it lasts and, as events last, for an hour after it."""
    for model in context.models:
        yield _judged(context, model)


def _judged(context: Context, model: ModelOutput) -> Finding:
    servers = [pod for pod in context.objects("v1", "Pod") if belongs(pod, model) and _answers_requests(pod)]
    # A pod that is being deleted is no endpoint any more, although it may answer for a while.
    staying = [pod for pod in servers if not pod["metadata"].get("deletionTimestamp")]
    ready = [since for pod in staying if (since := _ready_since(pod)) is not None]
    stopped = sorted(_stopped(context, model, servers))
    name = f"servers of {context.namespace}/{model.name}"
    before = [item for item in stopped if not ready or item[0] < min(ready)]
    if scaled_to_zero(context, model):
        return passed(name, NONE_NOW)
    wanted = _wanted(context, model)
    said = f"{len(ready)} of {wanted} ready"
    if not wanted:
        return failed("no-ready-endpoint", name, "no server is asked for now: replicas follow load or clock")
    if ready and (not before or len(before) < len(stopped)):
        return passed(name, said)
    if not before:
        return failed("no-ready-endpoint", name, f"{said}; none has stopped in the last hour")
    since, pod, node = before[-1]
    until = min(ready, default=datetime.now(UTC))
    lost = f"{max(0.0, (until - since).total_seconds()):.0f} s"
    drained, where = _node(context, node)
    text = f"no ready endpoint for {lost}, from {since:%H:%M:%S} UTC"
    why = f"pod {pod}, the last one, was stopped on {where}"
    if ready:
        return warned("was-away", name, f"{text} to {until:%H:%M:%S}: {why}; now {said}")
    return failed("node-drained" if drained else "no-ready-endpoint", name, f"{text}: {why}")


def _wanted(context: Context, model: ModelOutput) -> int:
    """Servers that the Deployment asks for now; of a LeaderWorkerSet those that are declared."""
    for deployment in context.objects("apps/v1", "Deployment"):
        if deployment["metadata"]["name"] == f"{model.name}-kserve":
            return int(deployment["spec"].get("replicas", 1))
    return model.replicas


def _answers_requests(pod: dict[str, Any]) -> bool:
    """Of a slice of several hosts only the leader does."""
    labels: dict[str, str] = pod["metadata"].get("labels") or {}
    return labels.get(_WORKER, "0") == "0"


def _ready_since(pod: dict[str, Any]) -> datetime | None:
    for item in (pod.get("status") or {}).get("conditions") or ():
        if (item["type"], item["status"]) == ("Ready", "True"):
            return _time(item.get("lastTransitionTime")) or datetime.min.replace(tzinfo=UTC)
    return None


def _stopped(
    context: Context, model: ModelOutput, servers: Iterable[dict[str, Any]]
) -> Iterator[tuple[datetime, str, str]]:
    """When a server began to end, its pod and node: from pods that are ending, and from events of those that are gone."""
    for pod in servers:
        metadata = pod["metadata"]
        if deadline := _time(metadata.get("deletionTimestamp")):
            grace = timedelta(seconds=metadata.get("deletionGracePeriodSeconds") or 0)
            yield deadline - grace, metadata["name"], pod["spec"].get("nodeName", "")
    try:
        events = context.objects("v1", "Event")
    except CannotAskError:
        return
    for event in events:
        pod_name, message = str(event["involvedObject"].get("name")), str(event.get("message"))
        # "Container main failed liveness probe, will be restarted" is Killing as well.
        if event.get("reason") != "Killing" or not message.startswith("Stopping container"):
            continue
        if re.fullmatch(_SERVERS.format(re.escape(model.name)), pod_name):
            when = _time(event.get("firstTimestamp") or event.get("eventTime"))
            if when is not None:
                yield when, pod_name, str((event.get("source") or {}).get("host") or event.get("reportingInstance"))


def _node(context: Context, name: str) -> tuple[bool, str]:
    """Whether the node is drained or gone, and the words for it."""
    try:
        nodes = {node["metadata"]["name"]: node for node in context.cluster.objects("v1", "Node")}
    except CannotAskError:
        return False, f"node {name}"
    if name not in nodes:
        return True, f"node {name}, which is gone"
    cordoned = bool(nodes[name].get("spec", {}).get("unschedulable"))
    return cordoned, f"node {name}" + (", which is being drained" if cordoned else "")


def _time(text: Any) -> datetime | None:
    return datetime.fromisoformat(str(text)) if text else None
