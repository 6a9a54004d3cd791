"""What others may know of the load balancer: where its Gateways are reached, and the health of its backends."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rehearsal.control_plane.services import Address
from rehearsal.directory import RehearsalDirectory
from rehearsal.load_balancer.plan import Plan


def record(plan: Plan, health: Mapping[tuple[str, Address], tuple[bool, str]]) -> dict[str, Any]:
    """What `cluster.load_balancer` reads. `gateways`: one row for each listener; `gateway`: the row that clients should use,
    one of https where there is one. `backends`: one row for each endpoint, with `healthy` and since when."""
    gateways: list[dict[str, Any]] = []
    for front in plan.fronts:
        url = f"{'https' if front.pair else 'http'}://127.0.0.1:{front.port}"
        gateways.append({**{key: front.listener.get(key) for key in ("name", "hostname")}, "url": url})
    backends: list[dict[str, Any]] = []
    for name, backend in sorted(plan.backends.items()):
        for endpoint in backend.endpoints:
            healthy, since = health[name, endpoint.address]
            row = {"kind": backend.kind, "namespace": backend.key[0], "name": backend.key[1], "pod": endpoint.pod}
            row |= {"endpoint": f"{endpoint.address[0]}:{endpoint.address[1]}"}
            backends.append({**row, "healthy": healthy, "since": since})
    secure = [row for row in gateways if row["url"].startswith("https:")]
    return {"gateway": next(iter(secure or gateways), None), "gateways": gateways, "backends": backends}


def authority(directory: RehearsalDirectory) -> Path | None:
    """What a client must trust to talk TLS to the Gateway: the authority of the certificate that was made here in place of
    a managed one. None where the Gateway has none, or one from a Secret. An environment has one Gateway."""
    return next(iter(sorted((directory.root / "load-balancer").glob("*.crt"))), None)
