"""The gate between the cluster and the first custom resource: a Job awaited with an explicit budget (decision 10)."""

from __future__ import annotations

import pulumi

from components.base import Component, Dependencies
from manifests.rendered import Platform


class ReadinessGate(Component):
    """`job` completes when the GatewayClass is Accepted and GKE's CRDs are Established; `needs` is what such Jobs need."""

    def __init__(self, platform: Platform, nodes: Dependencies, opts: pulumi.ResourceOptions) -> None:
        super().__init__("tpu-serving:cluster:ReadinessGate", "gate", opts)
        home = self.object("gate-namespace", platform.namespace)
        self.needs = [
            self.object("gate-script" if o["kind"] == "ConfigMap" else f"gate-{o['kind'].lower()}", o, [home])
            for o in platform.needs
        ]
        self.job = self.object(
            "gate-job",
            platform.gateway_ready.job,
            [*self.needs, *nodes],
            custom_timeouts=pulumi.CustomTimeouts(create=f"{platform.gateway_ready.seconds // 60}m"),
        )
        self.register_outputs({})
