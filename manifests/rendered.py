"""Every Kubernetes object and chart of an environment, as one typed tree: what there is, and when, is decided here alone.

Rules run on it before anything is registered; each component gets its part. A Secret made from a Pulumi secret is without
its value, which the engine alone knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from catalog.tpu import SliceShape
from manifests import (
    charts,
    gateway,
    isolation,
    kserve,
    llm_inference_service,
    monitoring,
    readiness,
    route,
    scaling,
    secrets,
    weights,
    workload,
)
from manifests.backend import BackendPolicies, backend_policies, backends
from manifests.base import Manifest
from manifests.compute_class import compute_classes
from manifests.namespace import CERT_MANAGER, KEDA, LWS, namespace
from settings.derive import Deployment, ServedModel
from settings.names import SYSTEM_NAMESPACE


@dataclass(frozen=True)
class Wait:
    """A Job that ends when the cluster is ready for what comes next, and how long that may take."""

    job: Manifest
    seconds: int


@dataclass(frozen=True)
class Platform:
    """What models need of a cluster. `needs` is what both Jobs run with; a controller is None where it is there, or off."""

    namespace: Manifest
    needs: tuple[Manifest, ...]
    gateway_ready: Wait
    cert_manager: charts.Controller | None
    leader_worker_set: charts.Controller | None
    keda: charts.Controller | None
    kserve: kserve.KServeController | None
    kserve_ready: Wait


@dataclass(frozen=True)
class Monitoring:
    """Account and token with which managed Prometheus reads the pickers' metrics, and their rights."""

    account: Manifest
    token: Manifest
    rights: tuple[Manifest, ...]


@dataclass(frozen=True)
class Model:
    """A model: one service, and what must be there before it or stands beside it."""

    name: str
    account: Manifest
    route: Manifest
    policies: tuple[BackendPolicies, ...]
    disruption_budget: Manifest | None
    token: secrets.StoredToken | secrets.SyncedToken | None
    filling: Wait | None
    service: Manifest
    ready_seconds: int
    server_monitoring: Manifest | None
    picker_monitoring: Manifest | None
    scaled_object: Manifest | None


@dataclass(frozen=True)
class Rendered:
    """The environment's objects, in an order in which they can be applied."""

    platform: Platform
    gateway: gateway.GatewayObjects
    network_policies: tuple[Manifest, ...]
    monitoring: Monitoring | None
    weights: weights.Weights | None
    pipeline_preset: Manifest | None
    compute_classes: tuple[tuple[SliceShape, Manifest], ...]
    metrics_access: scaling.MetricsAccess | None
    models: tuple[Model, ...]

    def objects(self) -> list[Manifest]:
        """All Kubernetes objects; what charts bring is not among them."""
        return list(_objects(self))


def _objects(part: Any) -> Iterator[Manifest]:
    if isinstance(part, dict):
        if "kind" in part:  # a chart's values have none
            yield part
    elif isinstance(part, tuple):
        for item in part:
            yield from _objects(item)
    elif is_dataclass(part):
        for field in fields(part):
            yield from _objects(getattr(part, field.name))


def rendered(deployment: Deployment) -> Rendered:
    """The tree of an environment."""
    return Rendered(
        _platform(deployment),
        gateway.gateway_objects(deployment.settings.gateway, deployment.namespace),
        isolation.network_policies(deployment),
        Monitoring(*monitoring.reader(deployment)) if deployment.settings.platform.monitoring else None,
        weights.weights(deployment),
        llm_inference_service.pipeline_preset(deployment.namespace) if deployment.multi_host else None,
        compute_classes(deployment),
        scaling.metrics_access(deployment),
        tuple(_model(deployment, model) for model in deployment.models),
    )


def _platform(deployment: Deployment) -> Platform:
    settings = deployment.settings.platform
    cert_manager = charts.Controller("cert-manager", namespace(CERT_MANAGER), charts.cert_manager_values())
    leader_worker_set = charts.Controller("lws", namespace(LWS), charts.lws_values())
    keda = charts.Controller("keda", namespace(KEDA), charts.keda_values()) if deployment.scales else None
    return Platform(
        namespace(SYSTEM_NAMESPACE),
        (*readiness.rbac(), readiness.config_map()),
        Wait(readiness.gateway_job(deployment), readiness.GATEWAY_BUDGET_SECONDS),
        cert_manager if settings.cert_manager == "install" else None,
        leader_worker_set if settings.leader_worker_set == "install" else None,
        keda if settings.keda == "install" else None,
        kserve.controller(deployment) if settings.kserve == "install" else None,
        Wait(readiness.kserve_job(deployment), readiness.kserve_budget_seconds(deployment)),
    )


def _model(deployment: Deployment, model: ServedModel) -> Model:
    authentication = deployment.settings.gateway.authentication
    monitored = deployment.settings.platform.monitoring
    filling = weights.filling_job(deployment, model)
    return Model(
        model.name,
        workload.service_account(deployment, model),
        route.http_route(deployment, model),
        tuple(backend_policies(deployment.namespace, backend, authentication) for backend in backends(model)),
        workload.pod_disruption_budget(deployment, model),
        secrets.token(deployment, model),
        Wait(filling, model.filling_timeout_seconds) if filling is not None else None,
        llm_inference_service.llm_inference_service(deployment, model),
        model.ready_timeout_seconds,
        monitoring.server_monitoring(deployment, model) if monitored else None,
        monitoring.picker_monitoring(deployment, model) if monitored else None,
        scaling.scaled_object(deployment, model),
    )
