"""A model: route, policies, LLMInferenceService, and what stands beside it.

The route exists before the service: KServe makes neither pool nor picker while a referenced route is missing. Nothing
here waits for what KServe makes later; the service alone is awaited, until Ready, with the whole budget (KS11). None of
these has `deleted_with`: their controllers must see them go, or load balancer parts leak.
"""

from __future__ import annotations

import copy
from typing import Any

import pulumi

from components.base import Component, Dependencies, KubernetesObject
from components.cluster import Cluster
from components.gateway import Gateway
from components.health_check_policy import HealthCheckPolicy
from components.project_services import ProjectServices
from manifests import llm_inference_service, monitoring, route, secrets, workload
from manifests.backend import backends
from settings import names
from settings.derive import Deployment, ServedModel


class ModelService(Component):
    """One model. `service.status` is what KServe says of it once Ready."""

    def __init__(
        self,
        deployment: Deployment,
        provider: pulumi.ProviderResource,
        cluster: Cluster,
        gateway: Gateway,
        model: ServedModel,
        *,
        services: ProjectServices,
        controllers: Dependencies,
        pools: Dependencies,
        classes: Dependencies,
    ) -> None:
        super().__init__("tpu-serving:model:ModelService", f"model-{model.name}", cluster.kubernetes)
        self._deployment, self._model, self._home = deployment, model, gateway.namespace
        prefix = f"model-{model.name}"
        account = self.object(f"{prefix}-account", workload.service_account(deployment, model), [gateway.namespace])
        own_route = self.object(f"{prefix}-route", route.http_route(deployment, model), [gateway.gateway])
        policies = [
            policy
            for backend in backends(model)
            for policy in HealthCheckPolicy(self, deployment, cluster, backend, [gateway.gateway, *classes]).policies
        ]
        if (budget := workload.pod_disruption_budget(deployment, model)) is not None:
            self.object(f"{prefix}-disruption-budget", budget, [gateway.namespace])
        token = self._token(provider, services, cluster.cluster, account, classes)
        self.service: KubernetesObject = self.object(
            f"{prefix}-service",
            awaited(llm_inference_service.llm_inference_service(deployment, model)),
            [account, own_route, *policies, *token, *controllers, *pools],
            custom_timeouts=pulumi.CustomTimeouts(
                create=f"{model.ready_timeout_seconds}s", update=f"{model.ready_timeout_seconds}s", delete="30m"
            ),
            # The sizes of a group are fixed at birth; another shape is another service.
            replace_on_changes=["spec.parallelism"],
            delete_before_replace=True,
        )
        if deployment.settings.platform.monitoring:
            known = [gateway.namespace, *classes]
            self.object(f"{prefix}-server-monitoring", monitoring.server_monitoring(deployment, model), known)
            self.object(f"{prefix}-picker-monitoring", monitoring.picker_monitoring(deployment, model), known)
        self.register_outputs({})

    def _token(
        self,
        provider: pulumi.ProviderResource,
        services: ProjectServices,
        cluster: pulumi.Resource,
        account: KubernetesObject,
        classes: Dependencies,
    ) -> list[pulumi.Resource]:
        reference = self._model.settings.hugging_face_token
        if reference is None or reference.kubernetes_secret is not None:
            return []
        prefix = f"model-{self._model.name}-token"
        if reference.pulumi_config is not None:
            value = pulumi.Config().require_secret(reference.pulumi_config)
            obj = secrets.token_secret(self._deployment, self._model, value)
            return [self.object(prefix, obj, [self._home])]
        from pulumi_gcp import secretmanager

        assert reference.secret_manager is not None
        project = self._deployment.settings.project
        access = secretmanager.SecretIamMember(
            f"{prefix}-access",
            project=project.id,
            secret_id=reference.secret_manager.secret,
            role="roles/secretmanager.secretAccessor",
            member=self._deployment.workload_principal(names.service_account(self._model.name)),
            # The identity pool of the project exists from its first workload-identity cluster on.
            opts=self.child([*services.service("secretmanager"), cluster], provider=provider),
        )
        source = self.object(
            f"{prefix}-source", secrets.secret_provider_class(self._deployment, self._model), [self._home, *classes]
        )
        sync = secrets.secret_sync(self._deployment, self._model)
        return [self.object(prefix, sync, [access, source, account])]


def awaited(obj: dict[str, Any]) -> dict[str, Any]:
    """The object with Ready asked for: custom resources are not awaited by themselves (decision 10)."""
    result = copy.deepcopy(obj)
    result["metadata"].setdefault("annotations", {})["pulumi.com/waitFor"] = "condition=Ready"
    return result
