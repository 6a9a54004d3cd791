"""KServe's LLMInferenceService controller: CRDs, then the controller, then its webhooks, then the presets.

Every CRD the controller watches (Gateway API, InferencePool, LeaderWorkerSet) is there before it starts (KS03). Its
guard against deleting presets is off, so that destroy ends (decision 18).
"""

from __future__ import annotations

import pulumi

from components.base import Component, Dependencies
from components.chart import release
from components.readiness_gate import ReadinessGate
from manifests.kserve import KServeController
from manifests.namespace import KSERVE
from manifests.rendered import Wait


class KServe(Component):
    """`ready` is the last step: with it, an LLMInferenceService can be created. An existing one is only waited for."""

    def __init__(
        self,
        controller: KServeController | None,
        webhooks: Wait,
        *,
        gate: ReadinessGate,
        watched: Dependencies,
        certificates: Dependencies,
        runnable: Dependencies,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("tpu-serving:platform:KServe", "kserve", opts)
        before: Dependencies = [*watched, *certificates]
        if controller is not None:
            before = [self._controller(controller, [*before, *runnable], certificates)]
        self.ready: pulumi.Resource = self.object(
            "kserve-webhooks-job",
            webhooks.job,
            [*gate.needs, *before],
            custom_timeouts=pulumi.CustomTimeouts(create=f"{webhooks.seconds // 60}m"),
        )
        if controller is not None:
            presets = "kserve-runtime-configs"
            self.ready = release(self, "kserve-presets", presets, KSERVE, controller.presets, [self.ready])
        self.register_outputs({})

    def _controller(
        self, controller: KServeController, depends_on: Dependencies, certificates: Dependencies
    ) -> pulumi.Resource:
        home = self.object("kserve-namespace", controller.namespace)
        crds = release(self, "kserve-crds", "kserve-llmisvc-crd", KSERVE, {}, [home])
        shared = [
            self.object("kserve-config", controller.config, [home]),
            self.object("kserve-issuer", controller.issuer, [home, *certificates]),
        ]
        before = [crds, *shared, *depends_on]
        return release(self, "kserve-controller", "kserve-llmisvc-resources", KSERVE, controller.values, before)
