"""How each undone fix looks from outside: in the words of statuses, or as a client of the Gateway sees it.

A symptom is a function that says what it sees ("" where there is nothing to see). None of them asks `verify`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx

import cluster as kube
from cluster.pods import pod_address
from settings.derive import SERVER_PORT
from tests.rehearsal.end_to_end.command import Rehearsal
from tests.rehearsal.load_balancer.harness import read_record

NAMESPACE, MODEL, NAME = "llm-serving", "qwen2-5-3b", "Qwen/Qwen2.5-3B-Instruct"
GATEWAY_API, GKE_API, POOL_API = (
    "gateway.networking.k8s.io/v1",
    "networking.gke.io/v1",
    "inference.networking.k8s.io/v1",
)
# A route of the test's own to the model's Service, as KServe's preset has them.
TO_SERVICE = "to-the-service"

Json = dict[str, Any]
Symptom = Callable[[Rehearsal], str]


def object_of(rehearsal: Rehearsal, api_version: str, kind: str, name: str) -> Json:
    """An object of the models' namespace; empty where it is not there."""
    return kube.get(rehearsal.client, api_version, kind, name, NAMESPACE) or {}


def _conditions(obj: Json) -> Iterator[Json]:
    status = obj.get("status") or {}
    yield from status.get("conditions") or ()
    for parent in status.get("parents") or ():
        yield from parent["conditions"]


def _false(obj: Json, kind: str, words: str) -> str:
    """The message of a false condition that holds these words."""
    found = (c for c in _conditions(obj) if (c["type"], c["status"]) == (kind, "False"))
    return next((f"{c['reason']}: {c['message']}" for c in found if words in c["message"]), "")


def pods(rehearsal: Rehearsal, component: str) -> list[Json]:
    """The model's pods of a component."""
    selector = f"app.kubernetes.io/name={MODEL},app.kubernetes.io/component={component}"
    return kube.list_objects(rehearsal.client, "v1", "Pod", NAMESPACE, label_selector=selector)


def _containers(found: list[Json]) -> Iterator[Json]:
    for pod in found:
        yield from (pod.get("status") or {}).get("containerStatuses") or ()


def url(rehearsal: Rehearsal, path: str = f"/{NAMESPACE}/{MODEL}") -> str:
    """Where the Gateway is reached; a port on which nobody listens where it is not programmed."""
    gateway = read_record(rehearsal.directory)["gateway"] or {"url": "http://127.0.0.1:9"}
    return str(gateway["url"]) + path


def chat(rehearsal: Rehearsal, model: str = NAME) -> httpx.Response:
    """One short chat request through the Gateway."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}
    return httpx.post(f"{url(rehearsal)}/v1/chat/completions", json=body, timeout=30)


def _answered(response: httpx.Response, status: int, words: str) -> str:
    return response.text if response.status_code == status and words in response.text else ""


def pool_not_supported(rehearsal: Rehearsal) -> str:
    pool = object_of(rehearsal, POOL_API, "InferencePool", f"{MODEL}-inference-pool")
    said = _false(pool, "Accepted", "does not support InferencePool backends")
    return said if said.startswith("NotSupportedByParent") else ""


def route_with_timeouts(rehearsal: Rehearsal) -> str:
    route = object_of(rehearsal, GATEWAY_API, "HTTPRoute", f"{MODEL}-route")
    said = _false(route, "Accepted", "Timeouts are not supported.")
    return said if "Error GWCER104: HTTPRoute " in said else ""


def no_healthy_upstream(rehearsal: Rehearsal) -> str:
    ready = [c for pod in pods(rehearsal, "llminferenceservice-workload") for c in pod["status"].get("conditions", ())]
    assert any((c["type"], c["status"]) == ("Ready", "True") for c in ready)  # the pod is, the backend is not
    return _answered(chat(rehearsal), 503, "no healthy upstream")


def wrong_version_number(rehearsal: Rehearsal) -> str:
    assert chat(rehearsal).status_code == 200  # the pool is not touched by it
    return _answered(httpx.get(url(rehearsal, f"/{TO_SERVICE}/v1/models"), timeout=30), 503, "WRONG_VERSION_NUMBER")


def _picker_is_down(rehearsal: Rehearsal) -> bool:
    found = list(_containers(pods(rehearsal, "llminferenceservice-router-scheduler")))
    crashed = [c for c in found if c["name"] == "main" and c["restartCount"] > 0]
    return bool(crashed) and not any(c["ready"] for c in crashed)


def served_without_picker(rehearsal: Rehearsal) -> str:
    return "FailOpen: any server answers" if _picker_is_down(rehearsal) and chat(rehearsal).status_code == 200 else ""


def not_served_without_picker(rehearsal: Rehearsal) -> str:
    return "FailClose: 500" if _picker_is_down(rehearsal) and chat(rehearsal).status_code == 500 else ""


def able_but_not_ready(rehearsal: Rehearsal) -> str:
    """A server that answers its health check while its pod is not Ready and nobody has asked."""
    for pod in pods(rehearsal, "llminferenceservice-workload"):
        conditions = {c["type"]: c["status"] for c in (pod.get("status") or {}).get("conditions") or ()}
        if conditions.get("Initialized") == "True" and conditions.get("Ready") != "True":
            host, port = pod_address(pod, SERVER_PORT)
            try:
                if httpx.get(f"http://{host}:{port}/health", timeout=5).status_code == 200:
                    return f"{pod['metadata']['name']} answers and is not Ready"
            except httpx.TransportError:
                continue
    return ""


def crash_loop(rehearsal: Rehearsal) -> str:
    for status in _containers(pods(rehearsal, "llminferenceservice-workload")):
        ended = (status.get("lastState") or {}).get("terminated") or {}
        words = str(ended.get("message", ""))
        if ended.get("exitCode") == 2 and "unrecognized arguments: --prefix-cache-block-size=16" in words:
            return words if status["restartCount"] > 1 else ""
    return ""


# Undo -> how it looks, on a rehearsal of dev that was serving.
SYMPTOMS: dict[str, Symptom] = {
    "RT01": route_with_timeouts,
    "KS02": wrong_version_number,
    "GW01": pool_not_supported,
    "HC01": no_healthy_upstream,
    "KS11": able_but_not_ready,
    "VL01": crash_loop,
    "KS10": served_without_picker,
}
