"""The plan: the recorded graph and everything that follows from it, in one structure that all formats read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from catalog.durations import Figure, filling_seconds, model_start_seconds, seconds_of, start_figures
from manifests.base import Manifest
from serving.plan import scaling
from serving.plan.capacity_order import Entry, entries, longest_wait, quotas
from serving.plan.graph import Graph
from serving.program.record import Resource
from settings import names
from settings.cost import Cost, estimate, monthly_range
from settings.derive import GIB, Deployment, ServedModel
from settings.refusal import Finding, render_path
from settings.start import start_seconds
from settings.windows import utc

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

    def as_json(self) -> dict[str, Any]:
        """The documented shape (docs/plan-schema.json)."""
        longest, serial, path = self.time
        return {
            "environment": self.deployment.name,
            "resources": [self._resource(r) for r in self.graph.tree],
            "models": [self._model(m) for m in self.deployment.models],
            "chips": self.deployment.chips,
            "quota": [
                {
                    "metric": quota.metric,
                    "region": self.deployment.region,
                    "family": quota.family,
                    "needed": quota.steady,
                    "duringUpdate": quota.update,
                }
                for quota in quotas(self.deployment)
            ],
            "order": [self._entry(entry) for entry in entries(self.deployment)],
            "cost": {
                "currency": self.cost.currency,
                "perHour": self.cost.per_hour,
                "perMonth": self.cost.per_month,
                "budgetPerMonth": self.deployment.settings.monitoring.budget_per_month,
                "perMonthRange": self._month(),
                "items": [
                    {
                        "name": i.name,
                        "quantity": i.quantity,
                        "unit": i.unit,
                        "unitPrice": i.unit_price,
                        "perHour": i.per_hour,
                        "source": i.source,
                    }
                    for i in self.cost.items
                ],
                "pricesAsOf": self.cost.prices_as_of,
            },
            "time": {
                "criticalPathSeconds": round(longest),
                "slowestSeconds": round(self.slowest),
                "serialSeconds": round(serial),
                "chipsWaitSeconds": longest_wait(self.deployment),
                "path": [r.name for r in path],
            },
            "startFigures": [figure._asdict() for figure in self.figures],
            "maintenance": self._maintenance(),
            "outputs": self.graph.recording.outputs,
            "warnings": [{"rule": f.rule, "path": render_path(f.path), "message": f.said} for f in self.warnings],
            "refusals": [],
        }

    def _month(self) -> list[float] | None:
        found = monthly_range(self.deployment)
        return [found.least, found.most] if found else None

    def _maintenance(self) -> dict[str, Any]:
        window = self.deployment.maintenance_window
        return {
            "window": window and {"start": utc(window.start), "end": utc(window.end), "recurrence": window.recurrence},
            "exclusions": [
                {"name": one.name, "start": utc(one.start), "end": utc(one.end), "scope": one.scope}
                for one in self.deployment.settings.cluster.maintenance.exclusions
            ],
        }

    def _resource(self, r: Resource) -> dict[str, Any]:
        everything = self.graph.everything

        def label(urn: str | None) -> str | None:
            return everything[urn].name if urn in everything else None

        needs = self.graph.dependencies.get(r.urn) or r.depends_on
        return {
            "name": r.name,
            "type": r.type,
            "parent": label(r.parent),
            "dependsOn": sorted(everything[u].name for u in needs if u in everything),
            "provider": label(r.provider),
            "protect": r.protect,
            "inputs": r.inputs,
        }

    @staticmethod
    def _entry(entry: Entry) -> dict[str, Any]:
        bought = entry.purchase
        return {
            "purchase": bought.kind,
            "zone": bought.zone,
            "reservation": bought.reservation,
            "maxRunHours": bought.hours,
            "keep": bought.keep,
            "perHour": entry.per_hour,
            "unlistedGenerations": list(entry.unlisted),
        }

    def _model(self, model: ServedModel) -> dict[str, Any]:
        start, later = start_seconds(model), start_seconds(model, later=True)
        return {
            "name": model.name,
            "servedNames": model.settings.names_for_clients,
            "url": self.deployment.model_url(model.name, f"<{self.deployment.settings.gateway.name} address>"),
            "replicas": model.most_replicas,
            "scaling": scaling.as_json(model),
            "chips": model.chips,
            "machineType": model.shape.machine_type,
            "topology": model.shape.topology,
            "hosts": model.shape.hosts,
            "devices": model.shape.devices,
            "task": model.task,
            "requestPath": model.request_path,
            "backend": model.backend,
            "weightsBytes": model.weights_bytes,
            "revision": model.revision.name if model.revision else "",
            "weights": model.weights_address,
            "memoryGib": model.memory_gib,
            "startSeconds": start and [round(seconds) for seconds in start],
            "laterStartSeconds": later and [round(seconds) for seconds in later],
            "startupBudgetSeconds": model.startup_budget_seconds,
        }
