"""The policies without which GKE never sends a model traffic, or cuts its answers: one form for any backend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from catalog.gke import POOL_GROUP
from manifests.base import Manifest, manifest
from settings import names
from settings.derive import (
    HEALTH_PATH,
    SERVER_PORT,
    SERVER_SCHEME,
    SHUTDOWN_SECONDS,
    Deployment,
    ServedModel,
)

API = "networking.gke.io/v1"
_SERVICE_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Backend:
    """Something a route can reach. `group` is "" for a Service and is always written out (HC02)."""

    group: str
    kind: str
    name: str
    policy: str
    timeout_seconds: int

    @property
    def target_ref(self) -> dict[str, str]:
        """The reference as every schema accepts it."""
        return {"group": self.group, "kind": self.kind, "name": self.name}


def backends(model: ServedModel) -> tuple[Backend, Backend]:
    """The InferencePool and the workload Service of a model (HC01, BP01)."""
    return (
        Backend(
            POOL_GROUP, "InferencePool", names.inference_pool(model.name), f"{model.name}-pool", model.answer_seconds
        ),
        Backend(
            "",
            "Service",
            names.workload_service(model.name),
            f"{model.name}-service",
            max(_SERVICE_TIMEOUT_SECONDS, model.answer_seconds),
        ),
    )


def health_check_policy(namespace: str, backend: Backend) -> Manifest:
    """HTTP /health on the server's port, in the only form that every published schema accepts (HC03, HC04).

    Without it GKE probes `/` on https and every backend is unhealthy (field issues 5 and 13).
    """
    return manifest(
        API,
        "HealthCheckPolicy",
        backend.policy,
        namespace,
        spec={
            "targetRef": backend.target_ref,
            "default": {
                "checkIntervalSec": 10,
                "timeoutSec": 5,
                "healthyThreshold": 1,
                "unhealthyThreshold": 3,
                "logConfig": {"enabled": True},
                "config": {
                    "type": SERVER_SCHEME,
                    "httpHealthCheck": {
                        "portSpecification": "USE_FIXED_PORT",
                        "port": SERVER_PORT,
                        "requestPath": HEALTH_PATH,
                    },
                },
            },
        },
    )


def backend_policy(deployment: Deployment, backend: Backend) -> Manifest:
    """Time limit from the longest answer (the default of 30 s cuts streams), draining, edge authentication."""
    default: dict[str, Any] = {
        "timeoutSec": backend.timeout_seconds,
        "connectionDraining": {"drainingTimeoutSec": SHUTDOWN_SECONDS},  # <= the pods' grace period (BP03)
        "logging": {"enabled": True, "sampleRate": 1_000_000},
    }
    authentication = deployment.settings.gateway.authentication
    if authentication and authentication.iap_client_id:
        default["iap"] = {"enabled": True, "clientID": authentication.iap_client_id}
        if authentication.iap_client_secret_name:
            default["iap"]["oauth2ClientSecret"] = {"name": authentication.iap_client_secret_name}
    if authentication and authentication.security_policy:
        default["securityPolicy"] = authentication.security_policy
    return manifest(
        API,
        "GCPBackendPolicy",
        backend.policy,
        deployment.namespace,
        spec={"targetRef": backend.target_ref, "default": default},
    )
