"""Controllers from one chart each, and the values of the charts that are not KServe's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from catalog.lock import load_lock
from manifests.base import Manifest


@dataclass(frozen=True)
class Controller:
    """A controller from one chart: a key of the lock's charts, its values, and the namespace that it lives in."""

    chart: str
    namespace: Manifest
    values: dict[str, Any]


def cert_manager_values() -> dict[str, Any]:
    """cert-manager with its CRDs; the webhook on a port that the firewall opens for the control plane (CL03)."""
    return {
        "crds": {"enabled": True, "keep": False},
        "webhook": {"securePort": 10260},
        "startupapicheck": {"enabled": True, "timeout": "5m"},
        # Leader election leases in kube-system are refused on Autopilot and not needed elsewhere.
        "global": {"leaderElection": {"namespace": "cert-manager"}},
    }


def keda_values() -> dict[str, Any]:
    """KEDA. Its own certificates; requests for all three pods, which the chart leaves to their defaults."""

    def image(key: str) -> dict[str, str]:
        found = load_lock().images[key]
        registry, _, repository = found.repository.partition("/")
        return {"registry": registry, "repository": repository, "tag": found.tag}

    pod = {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "1000Mi"}}
    return {
        "image": {
            "keda": image("keda-operator"),
            "metricsApiServer": image("keda-metrics-apiserver"),
            "webhooks": image("keda-admission-webhooks"),
            "pullPolicy": "IfNotPresent",
        },
        "resources": {"operator": pod, "metricServer": pod, "webhooks": pod},
    }


def lws_values() -> dict[str, Any]:
    """LeaderWorkerSet. The chart's own default is the image tag `main` (SC01); its internal certificates stay on."""
    image = load_lock().images["lws"]
    return {
        "image": {"manager": {"repository": image.repository, "tag": image.tag, "pullPolicy": "IfNotPresent"}},
        "enableCertManager": False,
        "podSecurityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}},
    }
