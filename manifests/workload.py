"""What stands beside a service: its account, and its protection from voluntary disruption."""

from __future__ import annotations

from manifests.base import Manifest, manifest
from manifests.scheduler import server_labels
from settings import names
from settings.derive import Deployment, ServedModel


def service_account(deployment: Deployment, model: ServedModel) -> Manifest:
    """The servers' own account, without a token: a server has nothing to ask the API."""
    return manifest(
        "v1",
        "ServiceAccount",
        names.service_account(model.name),
        deployment.namespace,
        automountServiceAccountToken=False,
    )


def pod_disruption_budget(deployment: Deployment, model: ServedModel) -> Manifest | None:
    """At most one replica away at a time; None for a single replica, which a budget would only pin to its node."""
    if model.most_replicas < 2:
        return None
    return manifest(
        "policy/v1",
        "PodDisruptionBudget",
        f"{model.name}-server",
        deployment.namespace,
        spec={
            "maxUnavailable": 1,
            "selector": {"matchLabels": server_labels(model)},
        },
    )
