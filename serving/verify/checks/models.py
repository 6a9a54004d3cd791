"""LLMInferenceService and InferencePool of every model; what a model that is not ready waits for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from catalog.gke import POOL_GROUP
from cluster.errors import CannotAskError
from manifests.monitoring import PICKER
from serving.checking.findings import Finding, failed, passed
from serving.live.context import Context, title
from serving.live.servers import belongs
from serving.verify.conditions import NOT_WRITTEN, generation_of, judge, says
from serving.verify.registry import KUBERNETES_FAILURES, check
from settings.outputs import ModelOutput

SERVICE_API = "serving.kserve.io/v1alpha2"
_WORKLOAD = {"app.kubernetes.io/component": "llminferenceservice-workload"}
_CRASHES = ("CrashLoopBackOff", "Error", "OOMKilled")
_SCALING = ("FailedScaleUp", "NotTriggerScaleUp", "TriggeredScaleUp")
_NO_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName")


@check(
    "models-ready",
    "Every LLMInferenceService ready",
    "LLMInferenceService, condition Ready, and the pods of a model that is not",
    (
        *KUBERNETES_FAILURES,
        *("model-missing", "model-not-ready", "model-without-nodes", "model-crashes", "model-without-image"),
        *("model-starting", "model-rolling-out", "picker-not-ready", "lws-missing", NOT_WRITTEN),
    ),
    proof=True,
)
def models_ready(context: Context) -> Iterator[Finding]:
    """Ready means: servers up, picker up, route and pool accepted. An update that is not through is not ready."""
    services = context.by_name(SERVICE_API, "LLMInferenceService")
    for model in context.models:
        service = services.get(model.name)
        if service is None:
            name = f"LLMInferenceService {context.namespace}/{model.name}"
            yield failed("model-missing", name, "not there")
            continue
        status = service.get("status") or {}
        if status.get("observedGeneration", generation_of(service)) != generation_of(service):
            yield failed(NOT_WRITTEN, title(service), "KServe has not seen the last change yet")
            continue
        conditions = status.get("conditions") or []
        [result] = judge(title(service), conditions, {"Ready": "model-not-ready"}, generation_of(service))
        yield _explained(context, model, service, result) if result.failure else _rolled_out(context, model, service)


def _explained(context: Context, model: ModelOutput, service: dict[str, Any], result: Finding) -> Finding:
    """The result with the conditions and the pods behind it."""
    conditions = (service.get("status") or {}).get("conditions") or []
    behind = [says(item) for item in conditions if item["status"] != "True" and item["type"] != "Ready"]
    by_type = {item["type"]: item["status"] for item in conditions}
    # Ready servers have nothing to say about a route or a picker that is not.
    failure, pods = ("", []) if by_type.get("WorkloadsReady") == "True" else _pods(context, model)
    if not failure and by_type.get("SchedulerWorkloadReady") == "False":
        failure = "picker-not-ready"
    if any("leaderworkerset" in text.lower() for text in behind):
        failure = "lws-missing"
    message = "; ".join([result.message, *behind, *pods])
    return failed(failure or result.failure, title(service), message)


def _rolled_out(context: Context, model: ModelOutput, service: dict[str, Any]) -> Finding:
    """Ready, by the servers of the last template? KServe says Ready while those of the one before still answer."""
    for deployment in context.objects("apps/v1", "Deployment"):
        status, metadata = deployment.get("status") or {}, deployment["metadata"]
        if not belongs(deployment, model, component=_WORKLOAD):
            continue
        current = status.get("updatedReplicas", 0) if status.get("observedGeneration") == metadata["generation"] else 0
        if current < deployment["spec"].get("replicas", 1) or current < status.get("replicas", 0):
            failure, pods = _pods(context, model)
            there = max(deployment["spec"].get("replicas", 1), status.get("replicas", 0))
            text = f"{title(deployment)}: {current} of {there} servers are of the last template"
            return failed(failure or "model-rolling-out", title(service), "; ".join([text, *pods]))
    return passed(title(service), "Ready")


def _pods(context: Context, model: ModelOutput) -> tuple[str, list[str]]:
    """What the model's pods wait for: failure's id ("" where the pods say nothing) and their words."""
    try:
        pods = [item for item in context.objects("v1", "Pod") if belongs(item, model)]
    except CannotAskError:
        return "", []
    for pod in pods:
        for status in _containers(pod):
            state = status.get("state") or {}
            waiting, ended = state.get("waiting") or {}, (status.get("lastState") or {}).get("terminated") or {}
            reason = waiting.get("reason", "")
            if reason in _CRASHES or (ended and status.get("restartCount", 0) > 1 and not status.get("ready")):
                code = f", exit code {ended['exitCode']}" if "exitCode" in ended else ""
                words = f"{ended.get('message', '')}".strip()
                said = f"{title(pod)}: container {status['name']} crashes{code}" + (f": {words}" if words else "")
                return "model-crashes", [said]
            if reason in _NO_IMAGE:
                return "model-without-image", [f"{title(pod)}: {reason}: {waiting.get('message', '')}"]
    for pod in pods:
        scheduled = _condition(pod, "PodScheduled")
        if scheduled is not None and scheduled["status"] == "False":
            told = [scheduled.get("message", "not scheduled"), *_autoscaler(context, pod)]
            return "model-without-nodes", [f"{title(pod)}: {': '.join(told)}"]
    starting = [pod for pod in pods if (_condition(pod, "Ready") or {}).get("status") != "True"]
    return ("model-starting", [f"{title(starting[0])} is not ready yet"]) if starting else ("", [])


def _autoscaler(context: Context, pod: dict[str, Any]) -> list[str]:
    """What the autoscaler said last of a pod that waits for a node."""
    try:
        events = context.objects("v1", "Event")
    except CannotAskError:
        return []
    said = [
        e for e in events if e.get("reason") in _SCALING and e["involvedObject"].get("name") == pod["metadata"]["name"]
    ]
    said.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    return [str(event.get("message", "")) for event in said[-1:]]


def _containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def _condition(pod: dict[str, Any], kind: str) -> dict[str, Any] | None:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return next((item for item in conditions if item["type"] == kind), None)


@check(
    "pools",
    "Every InferencePool accepted",
    "InferencePool, conditions Accepted and ResolvedRefs of our Gateway",
    (*KUBERNETES_FAILURES, "pool-missing", "pool-not-accepted", NOT_WRITTEN),
)
def pools(context: Context) -> Iterator[Finding]:
    """The Gateway takes the pool, and finds its picker."""
    found = context.by_name(f"{POOL_GROUP}/v1", "InferencePool")
    declared = context.target.outputs.gateway
    for model in context.models:
        pool = found.get(model.inference_pool)
        if pool is None:
            name = f"InferencePool {context.namespace}/{model.inference_pool}"
            yield failed("pool-missing", name, "not there")
            continue
        parents = [
            item
            for item in (pool.get("status") or {}).get("parents") or ()
            if item["parentRef"]["name"] == declared.name
        ]
        if not parents:
            text = f"Gateway {declared.name} has not written a status: does a route lead to the pool?"
            yield failed(NOT_WRITTEN, title(pool), text)
        wanted = dict.fromkeys(("Accepted", "ResolvedRefs"), "pool-not-accepted")
        for parent in parents:
            yield from judge(title(pool), parent.get("conditions"), wanted, generation_of(pool))


@check(
    "pickers",
    "Every endpoint picker ready",
    "pods of the endpoint picker of every model, condition Ready",
    (*KUBERNETES_FAILURES, "picker-not-ready"),
)
def pickers(context: Context) -> Iterator[Finding]:
    """With FailOpen nothing else shows that nobody picks."""
    for model in context.models:
        pods = [pod for pod in context.objects("v1", "Pod") if belongs(pod, model, PICKER)]
        ready = [pod for pod in pods if (_condition(pod, "Ready") or {}).get("status") == "True"]
        name = f"endpoint picker of {context.namespace}/{model.name}"
        if ready:
            yield passed(name, f"{len(ready)} ready")
        else:
            yield failed("picker-not-ready", name, f"{len(pods)} pods, none ready")
