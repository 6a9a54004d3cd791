"""KServe's LLMInferenceService controller: CRDs, then the controller, then the presets.

Every CRD the controller watches (Gateway API, InferencePool, LeaderWorkerSet) is there before it starts (KS03). Its
guard against deleting presets is off, so that destroy ends (decision 18).
"""

from __future__ import annotations

from components.base import Component, Dependencies
from components.chart import release
from components.cluster import Cluster
from components.readiness_gate import ReadinessGate
from manifests import kserve
from manifests.namespace import KSERVE, namespace
from settings.derive import Deployment


class KServe(Component):
    """`presets` is the last step: with it, an LLMInferenceService can be created."""

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
        home = self.object("kserve-namespace", namespace(KSERVE))
        crds = release(self, "kserve-crds", "kserve-llmisvc-crd", KSERVE, {}, [home])
        shared = [
            self.object("kserve-config", kserve.inference_service_config(deployment), [home]),
            self.object("kserve-issuer", kserve.issuer(), [home, *certificates]),
        ]
        controller = release(
            self,
            "kserve-controller",
            "kserve-llmisvc-resources",
            KSERVE,
            kserve.resources_values(),
            [crds, *shared, *watched, *certificates, *runnable],
        )
        self.presets = release(
            self,
            "kserve-presets",
            "kserve-runtime-configs",
            KSERVE,
            kserve.presets_values(),
            [gate.kserve([controller])],
        )
        self.register_outputs({})
