"""Every Kubernetes object of an environment in one list, before any of them is registered with the engine.

What the invariants are checked on. Only the Secret made from a Pulumi secret is missing: its value is known to the
engine alone. A test holds this list against what the program registers.
"""

from __future__ import annotations

from collections.abc import Iterator

from manifests import gateway, kserve, llm_inference_service, monitoring, readiness, route, secrets, workload
from manifests.backend import backend_policy, backends, health_check_policy
from manifests.base import Manifest
from manifests.namespace import CERT_MANAGER, KSERVE, LWS, namespace
from settings.derive import Deployment, ServedModel
from settings.names import SYSTEM_NAMESPACE


def rendered(deployment: Deployment) -> list[Manifest]:
    """The objects in an order in which they can be applied."""
    objects = [*_platform(deployment), *_gateway(deployment)]
    if (preset := llm_inference_service.pipeline_preset(deployment)) is not None:
        objects.append(preset)
    for model in deployment.models:
        objects += _model(deployment, model)
    return objects


def _platform(deployment: Deployment) -> Iterator[Manifest]:
    platform = deployment.settings.platform
    yield namespace(SYSTEM_NAMESPACE)
    yield from readiness.rbac()
    yield readiness.config_map()
    yield readiness.gateway_job(deployment)
    yield readiness.kserve_job(deployment)
    for provision, name in (
        (platform.cert_manager, CERT_MANAGER),
        (platform.leader_worker_set, LWS),
        (platform.kserve, KSERVE),
    ):
        if provision == "install":
            yield namespace(name)
    if platform.kserve == "install":
        yield kserve.inference_service_config(deployment)
        yield kserve.issuer()


def _gateway(deployment: Deployment) -> Iterator[Manifest]:
    yield namespace(deployment.namespace)
    yield gateway.gateway(deployment)
    for optional in (gateway.redirect_route(deployment), gateway.gateway_policy(deployment)):
        if optional is not None:
            yield optional
    if deployment.settings.platform.monitoring:
        yield from monitoring.reader(deployment)


def _model(deployment: Deployment, model: ServedModel) -> Iterator[Manifest]:
    yield workload.service_account(deployment, model)
    yield route.http_route(deployment, model)
    for backend in backends(model):
        yield health_check_policy(deployment.namespace, backend)
        yield backend_policy(deployment, backend)
    if (budget := workload.pod_disruption_budget(deployment, model)) is not None:
        yield budget
    token = model.settings.hugging_face_token
    if token is not None and token.secret_manager is not None:
        yield secrets.secret_provider_class(deployment, model)
        yield secrets.secret_sync(deployment, model)
    yield llm_inference_service.llm_inference_service(deployment, model)
    if deployment.settings.platform.monitoring:
        yield monitoring.server_monitoring(deployment, model)
        yield monitoring.picker_monitoring(deployment, model)
