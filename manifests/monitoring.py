"""PodMonitoring (managed Prometheus) for servers and pickers of a model."""

from __future__ import annotations

from typing import Any

from manifests.base import Manifest, bound_role, manifest
from manifests.scheduler import PICKER_METRICS_PORT
from settings.derive import SERVER_PORT, Deployment, ServedModel

API = "monitoring.googleapis.com/v1"
COLLECTOR_NAMESPACE = "gmp-system"
COLLECTOR = "collector"
READER = "picker-metrics-reader"
# Labels that KServe writes on the pods of a model, beside its name.
WORKLOAD = {"kserve.io/component": "workload"}
PICKER = {"app.kubernetes.io/component": "llminferenceservice-router-scheduler"}
# Whose series they are: alerts and the cost of a team go by it.
_MODEL = {"fromPod": [{"from": "app.kubernetes.io/name", "to": "model"}]}


def server_monitoring(deployment: Deployment, model: ServedModel) -> Manifest:
    """vLLM's /metrics."""
    return _monitoring(deployment, model, f"{model.name}-server", WORKLOAD, {"port": SERVER_PORT})


def picker_job(model: ServedModel) -> str:
    """Name of the picker's PodMonitoring, which is the label `job` of its metrics."""
    return f"{model.name}-picker"


def picker_monitoring(deployment: Deployment, model: ServedModel) -> Manifest:
    """The picker's metrics; it asks for a token that may read /metrics."""
    token = {"type": "Bearer", "credentials": {"secret": {"name": READER, "key": "token"}}}
    endpoint = {"port": PICKER_METRICS_PORT, "authorization": token}
    return _monitoring(deployment, model, picker_job(model), PICKER, endpoint)


def _monitoring(
    deployment: Deployment, model: ServedModel, name: str, component: dict[str, str], endpoint: dict[str, Any]
) -> Manifest:
    environment = [{"action": "replace", "targetLabel": "environment", "replacement": deployment.name}]
    return manifest(
        API,
        "PodMonitoring",
        name,
        deployment.namespace,
        spec={
            "selector": {"matchLabels": {"app.kubernetes.io/name": model.name, **component}},
            "endpoints": [{"path": "/metrics", "interval": "15s", "metricRelabeling": environment, **endpoint}],
            "targetLabels": _MODEL,
        },
    )


def reader(deployment: Deployment) -> tuple[Manifest, Manifest, tuple[Manifest, ...]]:
    """Account, token Secret and rights with which the collector reads the pickers' metrics; one an environment."""
    namespace = deployment.namespace
    account = manifest("v1", "ServiceAccount", READER, namespace)
    token = manifest(
        "v1",
        "Secret",
        READER,
        namespace,
        annotations={"kubernetes.io/service-account.name": READER},
        type="kubernetes.io/service-account-token",
    )
    metrics = [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]
    secret = [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [READER], "verbs": ["get", "list", "watch"]}
    ]
    rights = (
        *bound_role("ClusterRole", f"{namespace}-{READER}", None, metrics, (READER, namespace)),
        *bound_role("Role", READER, namespace, secret, (COLLECTOR, COLLECTOR_NAMESPACE)),
    )
    return account, token, rights
