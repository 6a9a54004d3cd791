"""Google's side of a Gateway in the emulator of its Compute API: backend services, health checks, endpoint groups."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from google.oauth2.credentials import Credentials

from serving.google.client import GoogleClient
from serving.live.google_backends import BACKEND_SERVICES
from tests.serving.google.emulator import GoogleEmulator

PROJECT, REGION, ZONE = "272087841988", "europe-west4", "europe-west4-a"
_API = "https://www.googleapis.com/compute/v1/projects"
Values = Mapping[str, str]


@dataclass
class LoadBalancer:
    """What Google has for Kubernetes Services; a test changes it. `health`: states of the endpoints of a backend."""

    emulator: GoogleEmulator
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    checks: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    health: dict[str, list[str]] = field(default_factory=dict)

    def add(
        self, name: str, namespace: str, service: str, backend: Mapping[str, Any], check: Mapping[str, Any]
    ) -> None:
        """A backend service with one endpoint group and one health check, as GKE makes them."""
        group = f"{_API}/{PROJECT}/zones/{ZONE}/networkEndpointGroups/k8s1-{name}"
        described = {"cluster-uid": "c", "namespace": namespace, "service-name": service, "port": "8000"}
        self.groups[f"k8s1-{name}"] = {"name": f"k8s1-{name}", "description": json.dumps(described)}
        self.checks[name] = {"name": name, **check}
        url = f"{_API}/{PROJECT}/regions/{REGION}/healthChecks/{name}"
        self.services[name] = {"name": name, "backends": [{"group": group}], "healthChecks": [url], **backend}
        self.health[name] = ["HEALTHY"]

    @property
    def annotations(self) -> dict[str, str]:
        """What GKE writes on the Gateway."""
        paths = (f"/projects/{PROJECT}/regions/{REGION}/backendServices/{name}" for name in self.services)
        return {BACKEND_SERVICES: ", ".join(paths)}

    def client(self) -> GoogleClient:
        """A client that has no answers yet."""
        self.emulator.handlers |= {
            ("compute", "regionBackendServices.get"): lambda v, _q, _d: self.services.get(v["backendService"]),
            ("compute", "regionHealthChecks.get"): lambda v, _q, _d: self.checks.get(v["healthCheck"]),
            ("compute", "networkEndpointGroups.get"): lambda v, _q, _d: self.groups.get(v["networkEndpointGroup"]),
            ("compute", "regionBackendServices.getHealth"): lambda v, _q, _d: self._health(v),
        }
        good = Credentials(token=self.emulator.token)  # type: ignore[no-untyped-call]
        return GoogleClient("p", lambda: good, 20.0, endpoints=self.emulator.endpoints, retries=0)

    def _health(self, values: Values) -> dict[str, Any]:
        states = self.health[values["backendService"]]
        found = [
            {"ipAddress": f"10.0.0.{number}", "port": 8000, "healthState": state} for number, state in enumerate(states)
        ]
        return {"healthStatus": found}


@contextmanager
def load_balancer() -> Iterator[LoadBalancer]:
    """One without backends; every question and answer is one of the Compute API's discovery document."""
    emulator = GoogleEmulator()
    try:
        yield LoadBalancer(emulator)
        assert emulator.problems == []
    finally:
        emulator.close()
