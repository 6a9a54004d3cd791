"""The gates before the first custom resource, and before the first of KServe: Jobs with explicit budgets (decision 10)."""

from __future__ import annotations

import pulumi

from components.base import Component, Dependencies, KubernetesObject
from components.cluster import Cluster
from manifests import readiness
from manifests.base import Manifest
from manifests.namespace import SYSTEM, namespace
from settings.derive import Deployment


class ReadinessGate(Component):
    """`job` completes when the GatewayClass is Accepted and GKE's CRDs are Established."""

    def __init__(self, deployment: Deployment, cluster: Cluster) -> None:
        super().__init__("tpu-serving:cluster:ReadinessGate", "gate", cluster.kubernetes)
        self._deployment = deployment
        home = self.object("gate-namespace", namespace(SYSTEM))
        self._needs = [self.object(f"gate-{o['kind'].lower()}", o, [home]) for o in readiness.rbac()]
        self._needs.append(self.object("gate-script", readiness.config_map(), [home]))
        self.job = self._job(
            "gate-job", readiness.gateway_job(deployment), readiness.GATEWAY_BUDGET_SECONDS, cluster.nodes
        )
        self.register_outputs({})

    def kserve(self, depends_on: Dependencies) -> KubernetesObject:
        """The Job that completes when KServe's webhooks answer."""
        budget = readiness.kserve_budget_seconds(self._deployment)
        return self._job("gate-kserve-job", readiness.kserve_job(self._deployment), budget, depends_on)

    def _job(self, name: str, obj: Manifest, budget_seconds: int, depends_on: Dependencies) -> KubernetesObject:
        return self.object(
            name,
            obj,
            [*self._needs, *depends_on],
            custom_timeouts=pulumi.CustomTimeouts(create=f"{budget_seconds // 60}m"),
        )
