"""When an object of a built-in kind counts as ready: pure functions of the object and of what belongs to it.

Source: github.com/pulumi/pulumi-kubernetes provider/pkg/await/{awaiters,deployment,statefulset,daemonset,job,pod,
service,ingress}.go and checker/{job,pod}/check.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from providers.kubernetes.values import at, name_of, same

KubeObject = dict[str, Any]
# (apiVersion, kind) -> the objects of that kind in the namespace of the object that is waited for.
Related = Callable[[str, str], list[KubeObject]]

_REVISION = "deployment.kubernetes.io/revision"


@dataclass(frozen=True)
class Verdict:
    """`message` says what happens now; `reasons` why it is not ready; `failed` that waiting can't help."""

    ready: bool
    message: str = ""
    reasons: list[str] = field(default_factory=list)
    failed: bool = False


@dataclass(frozen=True)
class Awaiter:
    """How one kind is waited for.

    `limit` caps the time in seconds whatever the timeout is; `on_read` says that a refresh looks too. `settle` is how
    long (seconds) an object must be ready before it counts.
    """

    check: Callable[[KubeObject, Related], Verdict]
    on_read: bool = False
    limit: float | None = None
    settle: float = 0


def deployment(obj: KubeObject, related: Related) -> Verdict:
    if at(obj, "status", "observedGeneration") != at(obj, "metadata", "generation"):
        return Verdict(False, "Waiting for the Deployment controller to see the change")
    revision = at(obj, "metadata", "annotations", _REVISION)
    conditions = _conditions(obj)
    reasons = [
        f"[{c.get('reason')}] {c.get('message')}"
        for kind in ("Progressing", "Available")
        if (c := conditions.get(kind)) and c.get("status") != "True"
    ]
    progressing = conditions.get("Progressing", {})
    rolled_out = progressing.get("status") == "True" and progressing.get("reason") == "NewReplicaSetAvailable"
    available = conditions.get("Available", {}).get("status") == "True" and (revision == "1" or rolled_out)
    sets = [rs for rs in related("apps/v1", "ReplicaSet") if _owned(rs, obj)]
    current = next((rs for rs in sets if at(rs, "metadata", "annotations", _REVISION) == revision), None)
    wanted = (at(current, "spec", "replicas") if current else None) or 0
    ready = at(current, "status", "readyReplicas") or 0
    if available and current is not None and ready >= wanted:
        return Verdict(True)
    pods = [pod for pod in related("v1", "Pod") if any(_owned(pod, rs) for rs in sets)]
    message = f"Waiting for app ReplicaSet to be available ({ready}/{wanted} Pods available)"
    return Verdict(False, message, [*reasons, *_pod_reasons(pods)])


def stateful_set(obj: KubeObject, related: Related) -> Verdict:
    status = obj.get("status") or {}
    generation = at(obj, "metadata", "generation") or 0
    wanted = at(obj, "spec", "replicas") or 0
    count = {key: status.get(key) or 0 for key in ("replicas", "readyReplicas", "currentReplicas")}
    seen = (status.get("observedGeneration") or 0) >= generation
    on_delete = generation > 1 and at(obj, "spec", "updateStrategy", "type") == "OnDelete"
    revision, target = status.get("currentRevision", ""), status.get("updateRevision", "")
    revision_ready = seen and (on_delete or (bool(revision) and revision == target))
    parts = ("replicas", "readyReplicas") if on_delete else tuple(count)
    replicas_ready = seen and all(count[key] == wanted for key in parts)
    if revision_ready and replicas_ready:
        return Verdict(True)
    reasons = []
    if not replicas_ready:
        reasons.append(f"{count['readyReplicas']} out of {wanted} replicas succeeded readiness checks")
    if not revision_ready:
        reasons.append(f'StatefulSet controller failed to advance from revision "{revision}" to revision "{target}"')
    pods = [pod for pod in related("v1", "Pod") if _owned(pod, obj)]
    message = f"Waiting for StatefulSet to roll out ({count['readyReplicas']}/{wanted} Pods ready)"
    return Verdict(False, message, [*reasons, *_pod_reasons(pods)])


def daemon_set(obj: KubeObject, related: Related) -> Verdict:
    status = obj.get("status") or {}
    if status.get("observedGeneration") != at(obj, "metadata", "generation"):
        return Verdict(False, "Waiting for the DaemonSet controller to see the change")
    wanted = status.get("desiredNumberScheduled")
    counts = ("currentNumberScheduled", "updatedNumberScheduled", "numberAvailable", "numberReady")
    if wanted is not None and all((status.get(key) or 0) >= wanted for key in counts):
        return Verdict(True)
    pods = [pod for pod in related("v1", "Pod") if _owned(pod, obj)]
    message = f"Available: {status.get('numberAvailable') or 0}/{wanted or 0}"
    return Verdict(False, message, [message, *_pod_reasons(pods)])


def job(obj: KubeObject, related: Related) -> Verdict:
    conditions, status = _conditions(obj), obj.get("status") or {}
    failure = conditions.get("Failed", {})
    if failure.get("status") == "True" and failure.get("reason") in ("BackoffLimitExceeded", "DeadlineExceeded"):
        pods = [pod for pod in related("v1", "Pod") if _owned(pod, obj)]
        reason = f"[{failure['reason']}] {failure.get('message', '')}"
        return Verdict(False, reason, [reason, *_pod_reasons(pods)], failed=True)
    if not status.get("startTime"):
        return Verdict(False, f'Waiting for Job "{name_of(obj)}" to start')
    if conditions.get("Complete", {}).get("status") == "True":
        return Verdict(True)
    counts = " | ".join(f"{key.capitalize()}: {status.get(key) or 0}" for key in ("active", "succeeded", "failed"))
    pods = [pod for pod in related("v1", "Pod") if _owned(pod, obj)]
    return Verdict(False, f'Waiting for Job "{name_of(obj)}" to succeed ({counts})', _pod_reasons(pods))


def pod(obj: KubeObject, _related: Related) -> Verdict:
    conditions = _conditions(obj)
    for kind, words in (("PodScheduled", "scheduled"), ("Initialized", "initialized"), ("Ready", "ready")):
        done = conditions.get(kind, {}).get("status") == "True"
        if not done and not (kind == "Ready" and at(obj, "status", "phase") == "Succeeded"):
            return Verdict(False, f'Waiting for Pod "{name_of(obj)}" to be {words}', _pod_reasons([obj]))
    return Verdict(True)


def service(obj: KubeObject, related: Related) -> Verdict:
    """The pods that the selector finds stand for the endpoints, which loopback addresses can't have."""
    spec = obj.get("spec") or {}
    if spec.get("type") == "LoadBalancer" and not at(obj, "status", "loadBalancer", "ingress"):
        reason = "Service was not allocated an IP address; does your cloud provider support this?"
        return Verdict(False, "[2/3] Attempting to allocate IP address to Service", [reason])
    selector = spec.get("selector")
    if spec.get("type") == "ExternalName" or spec.get("clusterIP") == "None" or not selector:
        return Verdict(True)
    labels = [(p, at(p, "metadata", "labels") or {}) for p in related("v1", "Pod")]
    pods = [p for p, found in labels if all(found.get(k) == v for k, v in selector.items())]
    unready = [p for p in pods if not _pod_ended(p) and not pod(p, related).ready]
    if not unready:
        return Verdict(True)
    reason = (
        "Service does not target any Pods. Selected Pods may not be ready, or field '.spec.selector' may not match "
        "labels on any Pods"
    )
    return Verdict(
        False,
        f"[1/3] Finding Pods to direct traffic to ({len(unready)} not ready)",
        [reason] if len(unready) == len(pods) else [],
    )


def ingress(obj: KubeObject, _related: Related) -> Verdict:
    if at(obj, "status", "loadBalancer", "ingress"):
        return Verdict(True)
    reason = "Ingress .status.loadBalancer field was not updated with a hostname/IP address."
    return Verdict(False, "[3/3] Waiting for update of .status.loadBalancer with hostname/IP", [reason])


def persistent_volume(obj: KubeObject, _related: Related) -> Verdict:
    phase = at(obj, "status", "phase")
    return Verdict(phase in ("Available", "Bound"), f"PersistentVolume is {phase}")


def persistent_volume_claim(obj: KubeObject, related: Related) -> Verdict:
    phase = at(obj, "status", "phase")
    name = at(obj, "spec", "storageClassName")
    classes = related("storage.k8s.io/v1", "StorageClass") if phase == "Pending" and name else []
    later = any(
        at(c, "metadata", "name") == name and c.get("volumeBindingMode") == "WaitForFirstConsumer" for c in classes
    )
    return Verdict(phase == "Bound" or later, f"PersistentVolumeClaim is {phase}")


def replication_controller(obj: KubeObject, _related: Related) -> Verdict:
    wanted, found = at(obj, "spec", "replicas"), at(obj, "status", "availableReplicas")
    return Verdict(wanted == found, f"{found or 0} of {wanted} replicas available")


def resource_quota(obj: KubeObject, _related: Related) -> Verdict:
    hard = at(obj, "spec", "hard")
    return Verdict(hard is not None and same(hard, at(obj, "status", "hard")), "quota is not yet observed")


def secret(obj: KubeObject, _related: Related) -> Verdict:
    waits = obj.get("type") == "kubernetes.io/service-account-token"
    return Verdict(not waits or bool(obj.get("data")), "waiting for the token")


def heuristic(obj: KubeObject, _related: Related) -> Verdict:
    """Any other kind, with PULUMI_K8S_AWAIT_ALL: kstatus of sigs.k8s.io/cli-utils, its generic rules."""
    conditions = _conditions(obj)
    seen, generation = at(obj, "status", "observedGeneration"), at(obj, "metadata", "generation")
    if seen is not None and seen != generation:
        return Verdict(False, f"generation is {generation}, but latest observed generation is {seen}")
    for kind in ("Reconciling", "Stalled"):
        if conditions.get(kind, {}).get("status") == "True":
            return Verdict(False, str(conditions[kind].get("message", kind)))
    condition = conditions.get("Ready")
    if condition is None or condition.get("status") == "True":
        return Verdict(True)
    return Verdict(False, str(condition.get("message") or "Waiting for readiness"))


AWAITERS: dict[str, Awaiter] = {
    "apps/v1/DaemonSet": Awaiter(daemon_set, on_read=True),
    "apps/v1/Deployment": Awaiter(deployment, on_read=True),
    "apps/v1/StatefulSet": Awaiter(stateful_set, on_read=True),
    "batch/v1/Job": Awaiter(job, on_read=True),
    "networking.k8s.io/v1/Ingress": Awaiter(ingress, on_read=True),
    "v1/PersistentVolume": Awaiter(persistent_volume, limit=300),
    "v1/PersistentVolumeClaim": Awaiter(persistent_volume_claim, limit=300),
    "v1/Pod": Awaiter(pod, on_read=True),
    "v1/ReplicationController": Awaiter(replication_controller, limit=600),
    "v1/ResourceQuota": Awaiter(resource_quota, limit=60),
    "v1/Secret": Awaiter(secret, limit=5),
    "v1/Service": Awaiter(service, on_read=True, settle=1),
}


def _conditions(obj: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found = at(obj, "status", "conditions")
    return {str(c.get("type")): c for c in found} if isinstance(found, list) else {}


def _owned(obj: KubeObject, owner: KubeObject) -> bool:
    uid = at(owner, "metadata", "uid")
    return any(o.get("controller") and o.get("uid") == uid for o in at(obj, "metadata", "ownerReferences") or [])


def _pod_ended(obj: KubeObject) -> bool:
    return at(obj, "status", "phase") in ("Succeeded", "Failed") or bool(at(obj, "metadata", "deletionTimestamp"))


def _pod_reasons(pods: list[KubeObject]) -> list[str]:
    """What pods say of themselves that hinders them."""
    found = []
    for obj in pods:
        if pod_ready(obj) or _pod_ended(obj):
            continue
        scheduled = _conditions(obj).get("PodScheduled", {})
        words = [scheduled["message"]] if scheduled.get("status") == "False" and scheduled.get("message") else []
        statuses = [
            *(at(obj, "status", "initContainerStatuses") or []),
            *(at(obj, "status", "containerStatuses") or []),
        ]
        words += [word for status in statuses if not status.get("ready") and (word := _container_reason(status))]
        found += [f"[Pod {name_of(obj)}]: {word}" for word in words]
    return found


def pod_ready(obj: KubeObject) -> bool:
    """Whether a pod's Ready condition is True."""
    return _conditions(obj).get("Ready", {}).get("status") == "True"


def _container_reason(status: Mapping[str, Any]) -> str:
    waiting, ended = at(status, "state", "waiting") or {}, at(status, "state", "terminated") or {}
    last = at(status, "lastState", "terminated") or {}
    if waiting and waiting.get("reason") not in ("ContainerCreating", "PodInitializing"):
        text = f"[{waiting.get('reason')}] {waiting.get('message', '')}".strip()
    elif ended.get("exitCode"):
        text = f'container "{status.get("name")}" completed with exit code {ended["exitCode"]}'
    else:
        text = ""
    if last:
        text += (
            f'{"; " if text else ""}container "{status.get("name")}" terminated with exit code {last.get("exitCode")}'
        )
    return text
