"""Alert policies and the dashboard in Cloud Monitoring."""

from __future__ import annotations

import json

import pulumi

from components.base import Component, Dependencies
from components.sdk import monitoring
from manifests.alerts.alerts import Alert, Condition, alerts
from manifests.alerts.dashboards import cloud_dashboard
from settings.derive import Deployment

_SEVERITIES = {"page": "CRITICAL", "ticket": "WARNING"}


class Alerts(Component):
    """One policy for each alert, and the dashboard. Made after the models: until then their series are absent."""

    def __init__(self, deployment: Deployment, depends_on: Dependencies, opts: pulumi.ResourceOptions) -> None:
        super().__init__("tpu-serving:monitoring:Alerts", "alerts", opts)
        project = deployment.settings.project.id
        for alert in alerts(deployment):
            monitoring.AlertPolicy(
                f"alert-{alert.id}",
                project=project,
                display_name=f"{deployment.name}: {alert.title} ({alert.severity})",
                combiner="OR",
                severity=_SEVERITIES[alert.severity],
                notification_channels=deployment.settings.monitoring.notify or None,
                user_labels={**deployment.labels, "alert": alert.id},
                documentation=monitoring.AlertPolicyDocumentationArgs(
                    content=_text(alert), mime_type="text/markdown", subject=f"{deployment.name}: {alert.title}"
                ),
                conditions=[_condition(condition) for condition in alert.conditions] or [_entry(alert.log)],
                alert_strategy=_once_a_day() if alert.log else None,
                opts=self.child(depends_on),
            )
        monitoring.Dashboard(
            "dashboard",
            project=project,
            dashboard_json=json.dumps(cloud_dashboard(deployment), sort_keys=True),
            opts=self.child(depends_on),
        )
        self.register_outputs({})


def _condition(condition: Condition) -> monitoring.AlertPolicyConditionArgs:
    asked = monitoring.AlertPolicyConditionConditionPrometheusQueryLanguageArgs(
        query=condition.query,
        duration=f"{condition.hold_seconds}s",
        evaluation_interval=f"{condition.every_seconds}s",
        # The first series of a metric may come after the policy: an interruption, a 5xx.
        disable_metric_validation=True,
    )
    return monitoring.AlertPolicyConditionArgs(display_name=condition.title, condition_prometheus_query_language=asked)


def _entry(log: str) -> monitoring.AlertPolicyConditionArgs:
    matched = monitoring.AlertPolicyConditionConditionMatchedLogArgs(filter=log)
    return monitoring.AlertPolicyConditionArgs(display_name="an entry of the log", condition_matched_log=matched)


def _once_a_day() -> monitoring.AlertPolicyAlertStrategyArgs:
    """A policy on a log must say how often it may notify."""
    limit = monitoring.AlertPolicyAlertStrategyNotificationRateLimitArgs(period="86400s")
    return monitoring.AlertPolicyAlertStrategyArgs(notification_rate_limit=limit)


def _text(alert: Alert) -> str:
    return f"{alert.means}\n\nRunbook: {alert.runbook}"
