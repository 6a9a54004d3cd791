"""What fires, in words or as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from manifests.alerts.alerts import Alert
from serving.alerts.prometheus import ActiveAlert
from settings.console import alerting_page
from settings.derive import Deployment
from settings.text import count

_WIDTH = 80


def verdict(held: Sequence[ActiveAlert]) -> str:
    """In a few words; it begins with "nothing" where nothing fires."""
    firing = {one.alert.id: one.alert for one in held if one.state == "firing"}
    pages = sum(alert.severity == "page" for alert in firing.values())
    pending = {one.alert.id for one in held} - set(firing)
    waiting = f"; {len(pending)} pending" if pending else ""
    if not firing:
        return f"nothing fires{waiting}"
    return f"{count(len(firing), 'alert')} firing, {count(pages, 'page')}{waiting}"


def lines(deployment: Deployment, where: str, asked: Sequence[Alert], held: Sequence[ActiveAlert]) -> Iterator[str]:
    """The report for a terminal of 80 columns, the verdict last."""
    yield f"{deployment.name}: {where}"
    left_out = sum(alert.of_google for alert in asked)
    yield f"{len(asked) - left_out} alerts asked; {left_out} are on Google's own metrics, which a rehearsal does not have"
    if not any("availability" in alert.id or "first-token" in alert.id for alert in asked):
        yield "No objective is set (monitoring.objectives), so only causes are asked."
    for one in sorted(held, key=lambda one: (one.state, one.alert.severity)):
        yield ""
        labels = ", ".join(f"{key} {one.labels[key]}" for key in sorted(one.labels) if key not in _KNOWN)
        yield f"  {one.state:<8} {one.alert.severity:<7} {one.alert.id}{f' ({labels})' if labels else ''}"
        yield from textwrap.wrap(one.alert.means, _WIDTH, initial_indent=" " * 11, subsequent_indent=" " * 11)
        yield f"{' ' * 11}{one.condition.title}; value {one.value:.4g}"
        yield f"{' ' * 11}Runbook: {one.alert.runbook}"
    yield ""
    yield verdict(held)


# The same for all series of an environment.
_KNOWN = ("cluster", "namespace", "job", "environment", "project_id", "location")


def document(deployment: Deployment, where: str, asked: Sequence[Alert], held: Sequence[ActiveAlert]) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "environment": deployment.name,
        "where": where,
        "asked": [alert.id for alert in asked if not alert.of_google],
        "notAsked": [alert.id for alert in asked if alert.of_google],
        "alerts": [one.as_json() for one in held],
        "verdict": verdict(held),
    }


def on_the_cloud(deployment: Deployment, asked: Sequence[Alert]) -> dict[str, Any]:
    """Where to look on the cloud, which is not asked."""
    project = deployment.settings.project.id
    return {
        "environment": deployment.name,
        "where": f"Cloud Monitoring, project {project}",
        "asked": [],
        "notAsked": [alert.id for alert in asked] if deployment.alerted else [],
        "alerts": [],
        "incidents": alerting_page(deployment),
        "policies": f"gcloud monitoring policies list --project={project} --format='value(displayName)'",
        "verdict": "not asked"
        if deployment.alerted
        else "no alert is declared: monitoring.notify and objectives are empty",
    }
