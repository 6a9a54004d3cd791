"""What others may know of the load balancer: where its Gateways are reached, and the health of its backends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rehearsal.directory import RehearsalDirectory
from rehearsal.load_balancer.health import Health
from rehearsal.load_balancer.translation import Front, Plan


def read(directory: RehearsalDirectory) -> dict[str, Any]:
    """The last report; without Gateways and backends where there is none."""
    try:
        found: dict[str, Any] = json.loads((directory.root / "load-balancer.json").read_bytes())
    except FileNotFoundError:
        return {"gateway": None, "gateways": [], "backends": []}
    return found


def authority(directory: RehearsalDirectory) -> Path | None:
    """What a client must trust to talk TLS to the Gateway: the certificate that was made here in place of a managed one.

    None where the Gateway has none, or one from a Secret. An environment has one Gateway.
    """
    return next(iter(sorted((directory.root / "load-balancer").glob("*.crt"))), None)


def report(plan: Plan, health: Health) -> dict[str, Any]:
    """`gateways`: one row for each listener; `gateway`: the row that clients should use, one of https where there is
    one, None without Gateways. `backends`: one row for each route, backend and endpoint."""
    rows = [_gateway(front) for front in plan.fronts]
    secure = [row for row in rows if row["url"].startswith("https:")]
    return {
        "gateway": next(iter(secure or rows), None),
        "gateways": rows,
        "backends": [
            row for name in sorted(plan.users) for route in plan.users[name] for row in _rows(plan, health, name, route)
        ],
    }


def _gateway(front: Front) -> dict[str, Any]:
    namespace, name = front.gateway
    scheme = "https" if front.certificates else "http"
    return {
        "namespace": namespace,
        "name": name,
        "listener": front.listener["name"],
        "hostname": front.listener.get("hostname"),
        "address": "127.0.0.1",
        "port": front.port,
        "url": f"{scheme}://127.0.0.1:{front.port}",
    }


def _rows(plan: Plan, health: Health, name: str, route: str) -> Iterator[dict[str, Any]]:
    backend = plan.backends[name]
    for endpoint in backend.endpoints:
        state = health.state(backend, endpoint.address)
        yield {
            "route": route,
            "kind": backend.kind,
            "namespace": backend.key[0],
            "name": backend.key[1],
            "pod": endpoint.pod,
            "endpoint": endpoint.name,
            "healthy": state.healthy,
            "since": state.since,
        }
