"""The gate between the cluster and the first custom resource: a Job awaited with an explicit budget (decision 10)."""

from __future__ import annotations

import pulumi

from components.base import Component
from components.cluster import Cluster
from manifests import readiness
from manifests.namespace import namespace
from settings.derive import Deployment
from settings.names import SYSTEM_NAMESPACE


class ReadinessGate(Component):
    """`job` completes when the GatewayClass is Accepted and GKE's CRDs are Established; `needs` is what such Jobs need."""

    def __init__(self, deployment: Deployment, cluster: Cluster) -> None:
        super().__init__("tpu-serving:cluster:ReadinessGate", "gate", cluster.kubernetes)
        home = self.object("gate-namespace", namespace(SYSTEM_NAMESPACE))
        self.needs = [self.object(f"gate-{o['kind'].lower()}", o, [home]) for o in readiness.rbac()]
        self.needs.append(self.object("gate-script", readiness.config_map(), [home]))
        self.job = self.object(
            "gate-job",
            readiness.gateway_job(deployment),
            [*self.needs, *cluster.nodes],
            custom_timeouts=pulumi.CustomTimeouts(create=f"{readiness.GATEWAY_BUDGET_SECONDS // 60}m"),
        )
        self.register_outputs({})
