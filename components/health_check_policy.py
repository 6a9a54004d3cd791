"""Health check and backend policy of anything a route can reach (HC01, BP01): one component for every backend."""

from __future__ import annotations

import pulumi

from components.base import Component, Dependencies, KubernetesObject
from manifests.backend import BackendPolicies


class HealthCheckPolicy(Component):
    """The two policies of one backend (`manifests.backend.backend_policies`), as `policies`.

    They may exist before their target: GKE attaches them when it appears. Creates neither the InferencePool or Service that
    they are for, nor a route to it, nor its namespace. `depends_on` is what brings their CRDs and their namespace.
    """

    def __init__(
        self, objects: BackendPolicies, depends_on: Dependencies = (), opts: pulumi.ResourceOptions | None = None
    ) -> None:
        name = f"{objects.name}-policy"
        super().__init__("tpu-serving:gateway:HealthCheckPolicy", name, opts)
        self.policies: list[KubernetesObject] = [
            self.object(f"{name}-health-check", objects.health_check, depends_on),
            self.object(f"{name}-backend", objects.backend, depends_on),
        ]
        self.register_outputs({})
