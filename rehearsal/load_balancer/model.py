"""What the load balancer knows between the cluster's objects and Envoy's configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from rehearsal.control_plane.services import Address
from rehearsal.gke.gateway.world import Key, KubeObject, World

CheckType = Literal["TCP", "HTTP", "HTTPS", "HTTP2", "GRPC"]
Protocol = Literal["HTTP", "HTTPS", "HTTP2", "H2C"]


@dataclass(frozen=True)
class Objects:
    """The cluster at one moment."""

    world: World
    pods: Sequence[KubeObject] = ()


@dataclass(frozen=True)
class HealthCheck:
    """How an endpoint is asked. Times in seconds; `host` "" means the endpoint's address."""

    type: CheckType
    interval: float
    timeout: float
    healthy: int
    unhealthy: int
    path: str = "/"
    host: str = ""
    grpc_service: str = ""
    request: str = ""
    response: str = ""


@dataclass(frozen=True)
class Endpoint:
    """A ready pod of a backend: where requests go, and where its health check goes."""

    pod: str
    address: Address
    probe: Address

    @property
    def name(self) -> str:
        """`host:port`."""
        return f"{self.address[0]}:{self.address[1]}"


@dataclass(frozen=True)
class Picker:
    """The endpoint picker of a pool: the backend it is, and whether requests go on without it."""

    backend: str
    fail_open: bool


@dataclass(frozen=True)
class Backend:
    """A pool, a Service's port, or an endpoint picker. `id` is unique.

    `time_limit` is for one whole answer, `draining` for what an endpoint has begun when it leaves; seconds.
    """

    id: str
    kind: str
    key: Key
    protocol: Protocol
    endpoints: tuple[Endpoint, ...]
    check: HealthCheck
    time_limit: float
    draining: float
    picker: Picker | None = None


@dataclass(frozen=True)
class Defaults:
    """What holds where no policy says otherwise. `time_scale` multiplies every time limit of a backend and its draining."""

    time_limit: float
    draining: float
    policy: Mapping[str, Any]
    none: Mapping[str, Any]
    picker: Mapping[str, Any]
    time_scale: float = 1.0


@cache
def gke_defaults() -> Defaults:
    """The defaults of GKE's load balancer."""
    data = yaml.safe_load((Path(__file__).parent / "defaults.yaml").read_text(encoding="utf-8"))
    checks = data["healthCheck"]
    return Defaults(
        data["timeLimit"]["value"], data["draining"]["value"], checks["policy"], checks["none"], checks["picker"]
    )
