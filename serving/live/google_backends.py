"""Google's load balancer behind a Gateway: which backend service is whose, its health check, the health of its endpoints.

GKE names the backend services of a Gateway in an annotation; what each is for is in the description of its network
endpoint groups, which GKE writes as JSON (kubernetes/ingress-gce pkg/utils/descriptions.go, NegDescription).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from cluster.errors import CannotAskError
from serving.google.client import GoogleClient
from serving.google.credentials import default_credentials

BACKEND_SERVICES = "networking.gke.io/backend-services"
HEALTHY = "HEALTHY"
# What one request to Google may take, seconds.
_SECONDS = 20.0
_PATH = re.compile(r"projects/([^/]+)/regions/([^/]+)/(\w+)/([^/]+)$")
_GROUP = re.compile(r"projects/([^/]+)/zones/([^/]+)/networkEndpointGroups/([^/]+)$")


@dataclass(frozen=True)
class Backend:
    """A backend service as Google has it. `services`: namespace/name of each Kubernetes Service whose endpoints it has."""

    name: str
    project: str
    region: str
    service: Mapping[str, Any]
    groups: tuple[str, ...]
    services: tuple[str, ...]

    def serves(self, namespace: str, kind: str, name: str) -> bool:
        """Whether it is the one of a Service, or of an InferencePool: GKE makes a Service `<pool>-ip-<hash>` for that."""
        if kind == "Service":
            return f"{namespace}/{name}" in self.services
        return any(service.startswith(f"{namespace}/{name}-ip-") for service in self.services)


def clients(project: str) -> Callable[[], GoogleClient]:
    """Makes clients without answers yet; credentials are found once."""
    credentials = cache(lambda: default_credentials(project, _SECONDS))
    return lambda: GoogleClient(project, credentials, _SECONDS)


def backends_of(google: GoogleClient, gateway: Mapping[str, Any]) -> list[Backend]:
    """The backend services of a Gateway, each asked for.

    Raises:
        CannotAskError: the Gateway names none, or Google gives no answer.
    """
    names = (gateway["metadata"].get("annotations") or {}).get(BACKEND_SERVICES, "")
    paths = [match for text in names.split(",") if (match := _PATH.search(text.strip()))]
    if not paths:
        text = f"the Gateway has no regional backend services in its annotation {BACKEND_SERVICES}"
        raise CannotAskError("backends-not-asked", text)
    found = []
    for path in paths:
        project, region, _, name = path.groups()
        service = google.find(
            "compute", "regionBackendServices.get", project=project, region=region, backendService=name
        )
        if service is not None:
            groups = tuple(str(item["group"]) for item in service.get("backends") or () if item.get("group"))
            found.append(Backend(name, project, region, service, groups, tuple(_services(google, groups))))
    return found


def health_check_of(google: GoogleClient, backend: Backend) -> dict[str, Any] | None:
    """The health check of a backend service; None where it has none.

    Raises:
        CannotAskError: Google gives no answer.
    """
    for url in backend.service.get("healthChecks") or ():
        match = _PATH.search(url)
        if match is not None:
            project, region, _, name = match.groups()
            return google.find("compute", "regionHealthChecks.get", project=project, region=region, healthCheck=name)
    return None


def health_of(google: GoogleClient, backend: Backend) -> Iterator[tuple[str, str]]:
    """(address:port, state) of each endpoint, as the load balancer's own checks see it.

    Raises:
        CannotAskError: Google gives no answer.
    """
    for group in backend.groups:
        answer = google.find(
            "compute",
            "regionBackendServices.getHealth",
            project=backend.project,
            region=backend.region,
            backendService=backend.name,
            body={"group": group},
        )
        for item in (answer or {}).get("healthStatus") or ():
            yield f"{item.get('ipAddress')}:{item.get('port')}", str(item.get("healthState"))


def _services(google: GoogleClient, groups: tuple[str, ...]) -> Iterator[str]:
    for group in groups:
        match = _GROUP.search(group)
        if match is None:
            continue
        project, zone, name = match.groups()
        found = google.find(
            "compute", "networkEndpointGroups.get", project=project, zone=zone, networkEndpointGroup=name
        )
        try:
            description = json.loads((found or {}).get("description") or "{}")
            yield f"{description['namespace']}/{description['service-name']}"
        except (ValueError, KeyError, TypeError):
            continue
