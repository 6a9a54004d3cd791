"""The policies without which GKE never sends a model traffic, or cuts its answers: one form for any backend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from catalog.gke import POOL_GROUP
from manifests.base import Manifest, manifest
from settings import names
from settings.derive import HEALTH_PATH, SERVER_PORT, SERVER_SCHEME, SHUTDOWN_SECONDS, ServedModel
from settings.gateway import Authentication

API = "networking.gke.io/v1"
_SERVICE_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Backend:
    """Something a route can reach.

    Attributes:
        group: API group; "" for a Service, and always written out (HC02).
        policy: name of its two policies.
        timeout_seconds: longest answer.
        port, path: where its servers answer health checks, by http.
    """

    group: str
    kind: str
    name: str
    policy: str
    timeout_seconds: int
    port: int = SERVER_PORT
    path: str = HEALTH_PATH

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


@dataclass(frozen=True)
class BackendPolicies:
    """The two policies of one backend; `name` is that of both."""

    name: str
    health_check: Manifest
    backend: Manifest


def backend_policies(namespace: str, backend: Backend, authentication: Authentication | None = None) -> BackendPolicies:
    """Health check and backend policy of a backend in a namespace (HC01, BP01)."""
    return BackendPolicies(
        backend.policy,
        health_check_policy(namespace, backend),
        backend_policy(namespace, backend, authentication),
    )


def health_check_policy(namespace: str, backend: Backend) -> Manifest:
    """The server's own health check, in the only form that every published schema accepts (HC03, HC04).

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
                        "port": backend.port,
                        "requestPath": backend.path,
                    },
                },
            },
        },
    )


def backend_policy(namespace: str, backend: Backend, authentication: Authentication | None = None) -> Manifest:
    """Time limit from the longest answer (the default of 30 s cuts streams), draining, edge authentication."""
    default: dict[str, Any] = {
        "timeoutSec": backend.timeout_seconds,
        "connectionDraining": {"drainingTimeoutSec": SHUTDOWN_SECONDS},  # <= the pods' grace period (BP03)
        "logging": {"enabled": True, "sampleRate": 1_000_000},
    }
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
        namespace,
        spec={"targetRef": backend.target_ref, "default": default},
    )
