"""A small environment that serves: its stack outputs, and every object as controllers would have left it."""

from __future__ import annotations

import copy
from typing import Any

from checks.environment import require
from manifests.backend import backend_policy, backends, health_check_policy
from manifests.gateway import gateway
from manifests.llm_inference_service import llm_inference_service
from manifests.monitoring import picker_monitoring, server_monitoring
from manifests.route import http_route
from settings.derive import Deployment
from settings.document import find_environment, read_document
from settings.outputs import GatewayOutput, ModelOutput, Outputs

Obj = dict[str, Any]
POOL_API = "inference.networking.k8s.io/v1"
SERVICE_API = "serving.kserve.io/v1alpha2"
GATEWAY_API = "gateway.networking.k8s.io/v1"


def deployment(environment: str = "prod") -> Deployment:
    """An environment of the repository; prod has three replicas."""
    return require(read_document(find_environment(environment)))[0]


def outputs(made: Deployment, base: str) -> Outputs:
    """The stack outputs, with the address that `base` begins with."""
    settings = made.settings.gateway
    return Outputs(
        environment=made.name, project="p", region=made.region, cluster="c", namespace=made.namespace, base_url=base,
        gateway=GatewayOutput(
            name=settings.name, namespace=made.namespace, class_name=settings.gateway_class_name, address="127.0.0.1",
            scheme="http", port=80,
        ),
        models=[
            ModelOutput(
                name=m.name, url=f"{base}/{made.namespace}/{m.name}", served_names=m.settings.names_for_clients,
                context_length=m.context_length, longest_answer_tokens=m.longest_answer_tokens,
                answer_timeout_seconds=m.answer_seconds, replicas=m.settings.replicas, chips=m.chips,
                inference_pool=f"{m.name}-inference-pool", service=f"{m.name}-kserve-workload-svc",
                scheduler={"plugins": [{"type": "prefix-cache-scorer"}]},
            )
            for m in made.models
        ],
        chips=made.chips, cost_per_hour=1, currency="USD", prices_as_of="2026-11-24", overrides=[],
    )  # fmt: skip


def true(*kinds: str) -> list[Obj]:
    """Conditions that hold, of generation 1."""
    return [{"type": kind, "status": "True", "reason": kind, "message": "", "observedGeneration": 1} for kind in kinds]


def _with(item: Obj, status: Obj) -> Obj:
    return copy.deepcopy({**item, "status": status, "metadata": {**item["metadata"], "generation": 1}})


def _obj(api: str, kind: str, name: str, namespace: str | None = None, **body: Any) -> Obj:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return _with({"apiVersion": api, "kind": kind, "metadata": metadata, **body}, body.get("status", {}))


def objects(made: Deployment) -> list[Obj]:
    """The objects, all well."""
    namespace, settings = made.namespace, made.settings.gateway
    listener = {"name": "http", "conditions": true("Accepted", "ResolvedRefs", "Programmed")}
    addresses = [{"type": "IPAddress", "value": "127.0.0.1"}]
    found = [
        _obj(
            GATEWAY_API, "GatewayClass", settings.gateway_class_name, spec={}, status={"conditions": true("Accepted")}
        ),
        _with(
            gateway(settings, namespace),
            {"conditions": true("Accepted", "Programmed"), "addresses": addresses, "listeners": [listener]},
        ),
    ]
    for model in made.models:
        parent = {"parentRef": {"name": settings.name, "sectionName": "http"}}
        route = {"parents": [{**parent, "conditions": true("Accepted", "ResolvedRefs", "Reconciled")}]}
        found.append(_with(http_route(made, model), route))
        for backend in backends(model):
            attached = {"conditions": true("Attached")}
            found.append(_with(health_check_policy(namespace, backend), attached))
            found.append(_with(backend_policy(namespace, backend), attached))
        pool = {"parents": [{"parentRef": {"name": settings.name}, "conditions": true("Accepted", "ResolvedRefs")}]}
        found.append(_obj(POOL_API, "InferencePool", f"{model.name}-inference-pool", namespace, spec={}, status=pool))
        ready = {"conditions": true("Ready")}
        found.append(_with(llm_inference_service(made, model), ready))
        ports = [{"port": 8000, "appProtocol": "http"}]
        found.append(_obj("v1", "Service", f"{model.name}-kserve-workload-svc", namespace, spec={"ports": ports}))
        found.append(_deployment(namespace, model.name, model.settings.replicas))
        found += [_with(server_monitoring(made, model), {}), _with(picker_monitoring(made, model), {})]
        found += [_pod(namespace, model.name, f"server-{n}", workload=True) for n in range(model.settings.replicas)]
        found.append(_pod(namespace, model.name, "picker", workload=False))
    return found


def _deployment(namespace: str, model: str, replicas: int) -> Obj:
    status = {"observedGeneration": 1, "replicas": replicas, "updatedReplicas": replicas}
    deployment = _obj("apps/v1", "Deployment", f"{model}-kserve", namespace, spec={"replicas": replicas}, status=status)
    deployment["metadata"]["labels"] = {
        "app.kubernetes.io/name": model,
        "app.kubernetes.io/component": "llminferenceservice-workload",
    }
    return deployment


def _pod(namespace: str, model: str, suffix: str, *, workload: bool) -> Obj:
    part = (
        {"kserve.io/component": "workload"}
        if workload
        else {"app.kubernetes.io/component": "llminferenceservice-router-scheduler"}
    )
    pod = _obj("v1", "Pod", f"{model}-{suffix}", namespace, status={"phase": "Running", "conditions": true("Ready")})
    pod["metadata"]["labels"] = {"app.kubernetes.io/name": model, **part}
    pod["spec"] = {"containers": [{"name": "main", "ports": [{"name": "metrics", "containerPort": 9090}]}]}
    return pod


def find(found: list[Obj], kind: str, end: str = "") -> Obj:
    """The first object of a kind whose name ends so."""
    return next(item for item in found if item["kind"] == kind and item["metadata"]["name"].endswith(end))


def condition(item: Obj, kind: str) -> Obj:
    """A condition of an object or of its first parent."""
    status = item["status"]
    conditions = status["parents"][0]["conditions"] if "parents" in status else status["conditions"]
    return next(entry for entry in conditions if entry["type"] == kind)


def refuse(item: Obj, kind: str, reason: str, message: str) -> None:
    """Make a condition false, in the controller's words."""
    condition(item, kind).update(status="False", reason=reason, message=message)
