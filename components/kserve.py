"""KServe's LLMInferenceService controller: CRDs, then the controller, then its webhooks, then the presets.

Every CRD the controller watches (Gateway API, InferencePool, LeaderWorkerSet) is there before it starts (KS03). Its
guard against deleting presets is off, so that destroy ends (decision 18).
"""

from __future__ import annotations

import pulumi

from components.base import Component, Dependencies
from components.chart import release
from components.cluster import Cluster
from components.readiness_gate import ReadinessGate
from manifests import kserve, readiness
from manifests.namespace import KSERVE, namespace
from settings.derive import Deployment


class KServe(Component):
    """`ready` is the last step: with it, an LLMInferenceService can be created. An existing one is only waited for."""

    def __init__(
        self,
        deployment: Deployment,
        cluster: Cluster,
        *,
        gate: ReadinessGate,
        watched: Dependencies,
        certificates: Dependencies,
        runnable: Dependencies,
    ) -> None:
        super().__init__("tpu-serving:platform:KServe", "kserve", cluster.kubernetes)
        before: Dependencies = [*watched, *certificates]
        if deployment.settings.platform.kserve == "install":
            before = [self._controller(deployment, [*before, *runnable], certificates)]
        self.ready: pulumi.Resource = self.object(
            "kserve-webhooks-job",
            readiness.kserve_job(deployment),
            [*gate.needs, *before],
            custom_timeouts=pulumi.CustomTimeouts(create=f"{readiness.kserve_budget_seconds(deployment) // 60}m"),
        )
        if deployment.settings.platform.kserve == "install":
            values = kserve.presets_values()
            self.ready = release(self, "kserve-presets", "kserve-runtime-configs", KSERVE, values, [self.ready])
        self.register_outputs({})

    def _controller(
        self, deployment: Deployment, depends_on: Dependencies, certificates: Dependencies
    ) -> pulumi.Resource:
        home = self.object("kserve-namespace", namespace(KSERVE))
        crds = release(self, "kserve-crds", "kserve-llmisvc-crd", KSERVE, {}, [home])
        shared = [
            self.object("kserve-config", kserve.inference_service_config(deployment), [home]),
            self.object("kserve-issuer", kserve.issuer(), [home, *certificates]),
        ]
        values = kserve.resources_values(deployment)
        return release(
            self, "kserve-controller", "kserve-llmisvc-resources", KSERVE, values, [crds, *shared, *depends_on]
        )
