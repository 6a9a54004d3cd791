"""Rules about alerts, objectives and the budget (MN)."""

from __future__ import annotations

import math
from collections.abc import Iterator

from catalog.metrics import edge_below, ttft_edges
from checks.registry import Found, rule
from settings.cost import estimate
from settings.derive import Deployment
from settings.refusal import Path

_NOTIFY: Path = ("monitoring", "notify")
_OBJECTIVES: Path = ("monitoring", "objectives")
_FIRST_TOKEN: Path = (*_OBJECTIVES, "timeToFirstTokenP95Ms")


def _promised(deployment: Deployment) -> bool:
    objectives = deployment.settings.monitoring.objectives
    return objectives.availability is not None or objectives.time_to_first_token_p95_ms is not None


@rule("MN01")
def metrics_collected(deployment: Deployment) -> Iterator[Found]:
    """Alerts need the metrics that `platform.monitoring` collects."""
    wanted = _promised(deployment) or deployment.settings.monitoring.notify
    if wanted and not deployment.settings.platform.monitoring:
        said = "Alerts are asked for, and no metrics are collected."
        yield Found(
            ("platform", "monitoring"), False, said, "Write monitoring: true under platform, or remove that line."
        )


@rule("MN02")
def on_an_edge(deployment: Deployment) -> Iterator[Found]:
    """The objective for first tokens is a bucket edge."""
    wanted = deployment.settings.monitoring.objectives.time_to_first_token_p95_ms
    if wanted is None:
        return
    edges = ttft_edges()
    if wanted in edges:
        return
    near = [edge for edge in (edge_below(wanted), next((e for e in edges if e > wanted), edges[-1])) if edge in edges]
    written = " or ".join(str(edge) for edge in dict.fromkeys(near))
    said = f"The server's histogram has no edge at {wanted} ms; the alert counts by {near[0]}."
    yield Found(_FIRST_TOKEN, wanted, said, f"Write timeToFirstTokenP95Ms: {written}.")


@rule("MN03")
def channels_of_the_project(deployment: Deployment) -> Iterator[Found]:
    """A channel belongs to the project whose policies name it."""
    project = deployment.settings.project
    for index, channel in enumerate(deployment.settings.monitoring.notify):
        owner, number = channel.split("/")[1], channel.rpartition("/")[2]
        if owner not in (project.id, project.number):
            said = f"The channel belongs to {owner}, the policies to {project.id}."
            command = f"gcloud beta monitoring channels list --project={project.id}"
            fix = f"Write notify: [projects/{project.id}/notificationChannels/{number}], with a number that {command} shows."
            yield Found((*_NOTIFY, index), channel, said, fix)


@rule("MN04")
def somebody_is_told(deployment: Deployment) -> Iterator[Found]:
    """Objectives without a channel tell nobody."""
    if _promised(deployment) and not deployment.settings.monitoring.notify:
        project = deployment.settings.project.id
        fix = (
            f"Write notify: [projects/{project}/notificationChannels/NUMBER], with the number of a channel of "
            f"gcloud beta monitoring channels list --project={project}."
        )
        yield Found(_NOTIFY, None, "Objectives are set, and no notification channel is named.", fix)


@rule("MN05")
def production_has_objectives(deployment: Deployment) -> Iterator[Found]:
    """In production something is promised."""
    if deployment.settings.tier == "production" and not _promised(deployment):
        fix = "Add below `config:` of the file:\n  tpu-serving:monitoring: {objectives: {availability: 99.5}}"
        if "monitoring" in deployment.settings.model_fields_set:
            fix = "Write objectives: {availability: 99.5} there."
        yield Found(_OBJECTIVES, None, "No objective is set: no alert tells that clients are failed.", fix)


@rule("MN06")
def within_the_budget(deployment: Deployment) -> Iterator[Found]:
    """The estimate, on the dearest purchase that GKE may fall back to, is not above the budget."""
    budget = deployment.settings.monitoring.budget_per_month
    if budget is None or not deployment.models:
        return
    cost = max((estimate(deployment, bought) for bought in deployment.purchases), key=lambda found: found.per_month)
    if cost.per_month > budget:
        least = "" if cost.complete else "at least "
        said = f"It costs {least}{cost.per_month:,.0f} {cost.currency} a month with all replicas, {cost.per_month / budget:.0%} of that."
        fix = f"Write budgetPerMonth: {math.ceil(cost.per_month / 100) * 100}, or take away replicas."
        yield Found(("monitoring", "budgetPerMonth"), budget, said, fix)


@rule("MN07")
def first_tokens_are_written(deployment: Deployment) -> Iterator[Found]:
    """Models that embed or rank write no tokens."""
    wanted = deployment.settings.monitoring.objectives.time_to_first_token_p95_ms
    if wanted is not None and deployment.models and all(model.task != "chat" for model in deployment.models):
        said = "No model of the environment writes tokens."
        yield Found(
            _FIRST_TOKEN, wanted, said, "Remove timeToFirstTokenP95Ms; availability: 99.5 holds for every model."
        )
