"""KEDA's objects: a ScaledObject (keda.sh/v1alpha1) for each model that scales, and its way to Google Managed Prometheus.

The target is what KServe 0.20 makes of a service; the service itself has no /scale. Triggers as llm-d recommends them
(guides/workload-autoscaling/keda-epp of 2026-09).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from manifests.base import Manifest, manifest
from manifests.monitoring import picker_job
from manifests.namespace import KEDA
from settings import names
from settings.derive import Deployment, ServedModel
from settings.scaling import Scaling
from settings.scheduled import asked_for
from settings.start import down_window, up_window

API = "keda.sh/v1alpha1"
ACCOUNT = "keda-operator"  # of the chart
_POLLING_SECONDS = 15
_FAILURES = 3


@dataclass(frozen=True)
class MetricsAccess:
    """How KEDA reads Cloud Monitoring: `member` has `role` in the project, and triggers name `authentication`."""

    role: str
    member: str
    authentication: Manifest


def metrics_access(deployment: Deployment) -> MetricsAccess | None:
    """KEDA's way to the metrics; None where no model follows the load."""
    if not deployment.scales_by_load:
        return None
    return MetricsAccess(
        "roles/monitoring.viewer",
        deployment.workload_principal(ACCOUNT, KEDA),
        manifest(
            API, "ClusterTriggerAuthentication", _authentication(deployment), spec={"podIdentity": {"provider": "gcp"}}
        ),
    )


def scaled_object(deployment: Deployment, model: ServedModel) -> Manifest | None:
    """The ScaledObject of a model; None where the number of its replicas is fixed."""
    scaling = model.settings.scaling
    if scaling is None:
        return None
    group = model.shape.multi_host
    target = {
        "apiVersion": "leaderworkerset.x-k8s.io/v1" if group else "apps/v1",
        "kind": "LeaderWorkerSet" if group else "Deployment",
        "name": names.workload(model.name, group),
    }
    spec: dict[str, Any] = {
        "scaleTargetRef": target,
        "pollingInterval": _POLLING_SECONDS,
        "minReplicaCount": scaling.least if not scaling.by_clock else scaling.otherwise,
        "maxReplicaCount": scaling.most,
        **(_by_clock(model, scaling) if scaling.by_clock else _by_load(deployment, model, scaling)),
    }
    return manifest(API, "ScaledObject", names.scaled_object(model.name), deployment.namespace, spec=spec)


def _by_load(deployment: Deployment, model: ServedModel, scaling: Scaling) -> dict[str, Any]:
    triggers = [_trigger(deployment, model, "running", "llm_d_epp_request_running", scaling.running_per_replica)]
    if model.picker_queue:
        queue = scaling.queue_per_replica
        triggers.append(_trigger(deployment, model, "queue", "llm_d_epp_flow_control_queue_size", queue))
    return {
        # No data is no reason to take a replica away.
        "fallback": {
            "failureThreshold": _FAILURES,
            "replicas": scaling.least,
            "behavior": "currentReplicasIfHigher",
        },
        "advanced": _windows(up_window(model), down_window(model)),
        "triggers": triggers,
    }


def _by_clock(model: ServedModel, scaling: Scaling) -> dict[str, Any]:
    """Chips are asked for as long before the hour as a slow start takes."""
    triggers = [
        {
            "type": "cron",
            "name": f"from-{index}",
            "metadata": {
                "timezone": window.timezone,
                "start": asked_for(model, window.from_),
                "end": window.to,
                "desiredReplicas": str(window.replicas),
            },
        }
        for index, window in enumerate(scaling.schedule)
    ]
    return {"cooldownPeriod": 0, "advanced": _windows(0, 0), "triggers": triggers}


def _windows(up: int, down: int) -> dict[str, Any]:
    behavior = {key: {"stabilizationWindowSeconds": window} for key, window in (("scaleUp", up), ("scaleDown", down))}
    return {"horizontalPodAutoscalerConfig": {"behavior": behavior}}


def _trigger(deployment: Deployment, model: ServedModel, name: str, metric: str, each: int) -> dict[str, Any]:
    """An empty answer is an error, not a zero. A picker that has served nothing yet has no series, but is up: zero."""
    labels = {
        "cluster": deployment.cluster_name,
        "location": deployment.region,
        "namespace": deployment.namespace,
        "job": picker_job(model),
    }
    chosen = "{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}"
    return {
        "type": "prometheus",
        "name": name,
        "metricType": "AverageValue",
        "metadata": {
            "serverAddress": server_address(deployment),
            "query": f"sum({metric}{chosen}) or 0 * sum(up{chosen} == 1)",
            "threshold": str(each),
            "ignoreNullValues": "false",
        },
        "authenticationRef": {"kind": "ClusterTriggerAuthentication", "name": _authentication(deployment)},
    }


def server_address(deployment: Deployment) -> str:
    """Where Google Managed Prometheus answers PromQL (Google "Query using the Prometheus API")."""
    return f"https://monitoring.googleapis.com/v1/projects/{deployment.settings.project.id}/location/global/prometheus"


def _authentication(deployment: Deployment) -> str:
    """Cluster-wide, so that two environments of a cluster have one each."""
    return f"tpu-serving-{deployment.namespace}"
