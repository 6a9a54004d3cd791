"""A model's servers and its picker: their pods, and their metrics pages."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping

from cluster.pods import pod_address
from cluster.reading import KubeObject
from manifests.monitoring import PICKER, READER, WORKLOAD
from manifests.scheduler import PICKER_METRICS_PORT
from serving.live.context import Context
from serving.live.http_client import HttpClient, Request
from settings.derive import SERVER_PORT
from settings.outputs import ModelOutput

# A histogram of the picker, 0 to 1; releases differ in what stands before it.
_SHARE = "prefix_indexer_hit_ratio"


def belongs(item: KubeObject, model: ModelOutput, component: Mapping[str, str] = WORKLOAD) -> bool:
    """Whether a pod is one of the model's servers, or another object one of another component."""
    labels = item["metadata"].get("labels") or {}
    return {"app.kubernetes.io/name": model.name, **component}.items() <= labels.items()


def ready_servers(context: Context, model: ModelOutput) -> list[KubeObject]:
    """The pods of the model's servers that are ready.

    Raises:
        CannotAskError: the API server does not answer.
    """
    return [pod for pod in context.objects("v1", "Pod") if belongs(pod, model) and _is_ready(pod)]


def metrics_page(context: Context, pod: KubeObject) -> str:
    """The metrics page of a server. The API server refuses to ask addresses of the loopback: there it is asked directly.

    Raises:
        CannotAskError, RequestError: it does not answer.
    """
    if not context.target.rehearsal:
        return context.cluster.pod_page(context.namespace, pod["metadata"]["name"], SERVER_PORT, "/metrics")
    host, port = pod_address(pod, SERVER_PORT)
    return context.client.text(Request("GET", f"http://{host}:{port}/metrics"))


def pickers(context: Context, model: ModelOutput) -> list[KubeObject]:
    """The pods of the model's picker that are ready.

    Raises:
        CannotAskError: the API server does not answer.
    """
    return [pod for pod in context.objects("v1", "Pod") if belongs(pod, model, PICKER) and _is_ready(pod)]


def picker_page(context: Context, pod: KubeObject, token: str | None) -> str:
    """The metrics page of a picker. It wants a token, which the API server does not pass on.

    Raises:
        CannotAskError, RequestError: it does not answer.
        ValueError: its pod has no port of that name.
    """
    number = _container_port(pod, PICKER_METRICS_PORT)
    if not context.target.rehearsal:
        return context.cluster.pod_page(context.namespace, pod["metadata"]["name"], number, "/metrics")
    host, port = pod_address(pod, number)
    return HttpClient(context.request_seconds, None, token).text(Request("GET", f"http://{host}:{port}/metrics"))


def picker_token(context: Context) -> str | None:
    """Token of the account that may read the picker's metrics, where we may read its Secret."""
    for secret in context.objects("v1", "Secret"):
        if secret["metadata"]["name"] == READER:
            return base64.b64decode((secret.get("data") or {}).get("token", "")).decode("ascii") or None
    return None


def prefix_share(page: str) -> tuple[float, float] | None:
    """Sum and count of the shares of a prompt that the picker found on the replica it looked at; None without them."""
    found = metric_sums(page, (), ending=(f"{_SHARE}_sum", f"{_SHARE}_count"))
    sums = [value for name, value in found.items() if name.endswith("_sum")]
    counts = [value for name, value in found.items() if name.endswith("_count")]
    # Where a release writes it under two names, both are the same.
    return (sums[0], counts[0]) if sums and counts else None


def metric_sums(page: str, names: Iterable[str], ending: tuple[str, ...] = ()) -> dict[str, float]:
    """Samples of some metrics, all label sets of each together."""
    from prometheus_client.parser import text_string_to_metric_families

    wanted, found = set(names), dict[str, float]()
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name in wanted or (ending and sample.name.endswith(ending)):
                found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


def _container_port(pod: KubeObject, name: str) -> int:
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or ():
            if port.get("name") == name:
                return int(port["containerPort"])
    raise ValueError(f"pod {pod['metadata']['name']} has no port {name}")


def _is_ready(pod: KubeObject) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any((item["type"], item["status"]) == ("Ready", "True") for item in conditions)
