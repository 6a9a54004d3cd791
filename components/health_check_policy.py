"""Health check and backend policy of anything a route can reach (HC01, BP01): one component for every backend."""

from __future__ import annotations

from components.base import Component, Dependencies, KubernetesObject
from components.cluster import Cluster
from manifests.backend import Backend, backend_policy, health_check_policy
from settings.derive import Deployment


class HealthCheckPolicy(Component):
    """The two policies of one backend. They may exist before their target: GKE attaches them when it appears."""

    def __init__(
        self, parent: Component, deployment: Deployment, cluster: Cluster, backend: Backend, depends_on: Dependencies
    ) -> None:
        token = "tpu-serving:gateway:HealthCheckPolicy"
        super().__init__(token, f"{backend.policy}-policy", cluster.kubernetes, parent)
        self.policies: list[KubernetesObject] = [
            self.object(
                f"{backend.policy}-policy-health-check", health_check_policy(deployment.namespace, backend), depends_on
            ),
            self.object(f"{backend.policy}-policy-backend", backend_policy(deployment, backend), depends_on),
        ]
        self.register_outputs({})
