"""The plan: the recorded graph and everything that follows from it; all formats are made of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from catalog.durations import Figure, filling_seconds, model_start_seconds, seconds_of, start_figures
from manifests.base import Manifest
from serving.plan.graph import Graph
from serving.program.record import Resource
from settings import names
from settings.cost import Cost, estimate
from settings.derive import GIB, Deployment, ServedModel
from settings.refusal import Finding
from settings.start import start_seconds

SERVICE_TYPE = "kubernetes:serving.kserve.io/v1alpha2:LLMInferenceService"
_JOB_TYPE = "kubernetes:batch/v1:Job"


@dataclass(frozen=True)
class Plan:
    """A planned environment."""

    deployment: Deployment
    graph: Graph
    warnings: list[Finding]

    @cached_property
    def cost(self) -> Cost:
        """The estimate of what it costs."""
        return estimate(self.deployment)

    @cached_property
    def _models(self) -> dict[str, ServedModel]:
        return {model.name: model for model in self.deployment.models}

    @cached_property
    def _filled(self) -> dict[str, int]:
        """Bytes that each filling Job downloads, 0 where nobody knows."""
        return {names.weights_job(m.name): m.weights_bytes or 0 for m in self.deployment.models if m.streamed}

    def seconds(self, resource: Resource, *, slow: bool = False) -> float:
        """Estimated seconds to create a resource, `slow` as slow as reported; a model counts from its empty pool to Ready.

        One of unknown size counts without its weights.
        """
        if resource.type == SERVICE_TYPE:
            model = self._models[resource.inputs["metadata"]["name"]]
            fast, slowest = start_seconds(model) or model_start_seconds(0)
            return slowest if slow else (fast + slowest) / 2
        if resource.type == _JOB_TYPE and (filled := self._filled.get(resource.inputs["metadata"]["name"])) is not None:
            return filling_seconds(filled / GIB)
        return seconds_of(resource.type, resource.inputs, slow=slow)

    @cached_property
    def time(self) -> tuple[float, float, list[Resource]]:
        """(critical path in seconds, all steps one after the other, the path)."""
        return self.graph.critical_path(self.seconds)

    @cached_property
    def slowest(self) -> float:
        """The critical path where everything is as slow as reported, in seconds."""
        return self.graph.critical_path(lambda resource: self.seconds(resource, slow=True))[0]

    @property
    def of_unknown_start(self) -> list[str]:
        """Names of the models whose size, and so start, is not known."""
        return [model.name for model in self.deployment.models if start_seconds(model) is None]

    @cached_property
    def figures(self) -> list[Figure]:
        """The published figures that the estimates of starts are made of."""
        models = self.deployment.models
        return start_figures(
            downloaded=any(not m.streamed for m in models),
            streamed=any(m.streamed for m in models),
            warm=any(m.programs_folder for m in models),
        )

    def objects(self) -> list[Manifest]:
        """The Kubernetes objects in the order they are created."""
        return [
            {k: v for k, v in r.inputs.items() if k != "__defaults"}
            for r in self.graph.order
            if r.type.startswith("kubernetes:") and "apiVersion" in r.inputs
        ]

    def model_url(self, model: ServedModel) -> str:
        """Base URL; an address that is not known yet stands in angle brackets."""
        return self.deployment.model_url(model.name, f"<{self.deployment.settings.gateway.name} address>")
