"""A model: route, policies, LLMInferenceService, and what stands beside it.

The route exists before the service: KServe makes neither pool nor picker while a referenced route is missing. Nothing
here waits for what KServe makes later; the service alone is awaited, until Ready, with the whole budget (KS11). None of
these goes with the cluster: their controllers must see them go, or load balancer parts leak.
"""

from __future__ import annotations

from typing import Any

import pulumi

from components.base import Component, Dependencies, KubernetesObject
from components.gateway import Gateway
from components.health_check_policy import HealthCheckPolicy
from components.sdk import secretmanager
from manifests.rendered import Model
from manifests.secrets import TOKEN_KEY, StoredToken


class ModelService(Component):
    """One model, behind a Gateway. `service.status` is what KServe says of it once Ready.

    Args:
        classes: what brings GKE's CRDs.
        controllers: what brings KServe.
        pools: the node pools of its slice shape.
        identity: what must be there before a grant to its account: the API, and the cluster with the identity pool.
        bucket: what must be there before weights are brought into the bucket or read from it.
        scaler: what must be there before a ScaledObject: KEDA, and its way to the metrics.
    """

    def __init__(
        self,
        model: Model,
        gateway: Gateway,
        *,
        classes: Dependencies,
        controllers: Dependencies,
        pools: Dependencies,
        identity: Dependencies,
        bucket: Dependencies,
        scaler: Dependencies,
        opts: pulumi.ResourceOptions,
    ) -> None:
        self._prefix = prefix = f"model-{model.name}"
        super().__init__("tpu-serving:model:ModelService", prefix, opts)
        home = gateway.namespace
        account = self.object(f"{prefix}-account", model.account, [home])
        own_route = self.object(f"{prefix}-route", model.route, [gateway.gateway, *gateway.closed])
        ours = pulumi.ResourceOptions(parent=self)
        policies = [
            policy
            for objects in model.policies
            for policy in HealthCheckPolicy(objects, [gateway.gateway, *classes], ours).policies
        ]
        if model.disruption_budget is not None:
            self.object(f"{prefix}-disruption-budget", model.disruption_budget, [home])
        token = self._token(model, home, account, classes, identity)
        filled = list(bucket)
        if model.filling is not None:  # before the service, so that no chip waits for a download
            limit = pulumi.CustomTimeouts(create=f"{model.filling.seconds}s", update=f"{model.filling.seconds}s")
            filled = [self.object(f"{prefix}-weights", model.filling.job, [*token, *bucket], custom_timeouts=limit)]
        self.service: KubernetesObject = self.object(
            f"{prefix}-service",
            awaited(model.service),
            [account, own_route, *policies, *token, *filled, *controllers, *pools],
            custom_timeouts=pulumi.CustomTimeouts(
                create=f"{model.ready_seconds}s", update=f"{model.ready_seconds}s", delete="30m"
            ),
            # The sizes of a group are fixed at birth; another shape is another service.
            replace_on_changes=["spec.parallelism"],
            delete_before_replace=True,
        )
        if model.scaled_object is not None:  # after the service: KEDA looks for the workload that KServe makes of it
            self.object(f"{prefix}-replicas", model.scaled_object, [self.service, *scaler])
        for what, obj in (("server", model.server_monitoring), ("picker", model.picker_monitoring)):
            if obj is not None:
                self.object(f"{prefix}-{what}-monitoring", obj, [home, *classes])
        self.register_outputs({})

    def _token(
        self,
        model: Model,
        home: pulumi.Resource,
        account: pulumi.Resource,
        classes: Dependencies,
        identity: Dependencies,
    ) -> list[pulumi.Resource]:
        token, prefix = model.token, f"{self._prefix}-token"
        if token is None:
            return []
        if isinstance(token, StoredToken):
            value = pulumi.Config().require_secret(token.config_key)
            return [self.object(prefix, {**token.secret, "stringData": {TOKEN_KEY: value}}, [home])]
        access = secretmanager.SecretIamMember(
            f"{prefix}-access",
            project=token.project,
            secret_id=token.secret_id,
            role="roles/secretmanager.secretAccessor",
            member=token.member,
            opts=self.child(identity),
        )
        source = self.object(f"{prefix}-source", token.source, [home, *classes])
        return [self.object(prefix, token.sync, [access, source, account])]


def awaited(obj: dict[str, Any]) -> dict[str, Any]:
    """The object with Ready asked for: custom resources are not awaited by themselves (decision 10)."""
    metadata = obj["metadata"]
    annotations = {**metadata.get("annotations", {}), "pulumi.com/waitFor": "condition=Ready"}
    return {**obj, "metadata": {**metadata, "annotations": annotations}, "status": None}
