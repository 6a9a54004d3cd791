"""PodMonitoring (managed Prometheus) for servers and pickers of a model."""

from __future__ import annotations

from typing import Any

from manifests.base import Manifest, manifest
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


def _environment(deployment: Deployment) -> list[dict[str, str]]:
    return [{"action": "replace", "targetLabel": "environment", "replacement": deployment.name}]


def _selector(model: ServedModel, component: dict[str, str]) -> dict[str, Any]:
    return {"matchLabels": {"app.kubernetes.io/name": model.name, **component}}


def server_monitoring(deployment: Deployment, model: ServedModel) -> Manifest:
    """vLLM's /metrics."""
    return manifest(
        API,
        "PodMonitoring",
        f"{model.name}-server",
        deployment.namespace,
        spec={
            "selector": _selector(model, WORKLOAD),
            "endpoints": [
                {
                    "port": SERVER_PORT,
                    "path": "/metrics",
                    "interval": "15s",
                    "metricRelabeling": _environment(deployment),
                }
            ],
            "targetLabels": _MODEL,
        },
    )


def picker_job(model: ServedModel) -> str:
    """Name of the picker's PodMonitoring, which is the label `job` of its metrics."""
    return f"{model.name}-picker"


def picker_monitoring(deployment: Deployment, model: ServedModel) -> Manifest:
    """The picker's metrics; it asks for a token that may read /metrics."""
    return manifest(
        API,
        "PodMonitoring",
        picker_job(model),
        deployment.namespace,
        spec={
            "selector": _selector(model, PICKER),
            "endpoints": [
                {
                    "port": PICKER_METRICS_PORT,
                    "path": "/metrics",
                    "interval": "15s",
                    "metricRelabeling": _environment(deployment),
                    "authorization": {
                        "type": "Bearer",
                        "credentials": {"secret": {"name": READER, "key": "token"}},
                    },
                }
            ],
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
    rbac = "rbac.authorization.k8s.io"
    scoped = f"{namespace}-{READER}"
    role = manifest(f"{rbac}/v1", "ClusterRole", scoped, rules=[{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}])
    binding = manifest(
        f"{rbac}/v1",
        "ClusterRoleBinding",
        scoped,
        roleRef={"apiGroup": rbac, "kind": "ClusterRole", "name": scoped},
        subjects=[{"kind": "ServiceAccount", "name": READER, "namespace": namespace}],
    )
    secret_role = manifest(
        f"{rbac}/v1",
        "Role",
        READER,
        namespace,
        rules=[
            {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [READER], "verbs": ["get", "list", "watch"]}
        ],
    )
    secret_binding = manifest(
        f"{rbac}/v1",
        "RoleBinding",
        READER,
        namespace,
        roleRef={"apiGroup": rbac, "kind": "Role", "name": READER},
        subjects=[{"kind": "ServiceAccount", "name": COLLECTOR, "namespace": COLLECTOR_NAMESPACE}],
    )
    return account, token, (role, binding, secret_role, secret_binding)
