"""A load balancer with the real Envoy, for tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from rehearsal import assets
from rehearsal.directory import RehearsalDirectory
from rehearsal.load_balancer import report
from rehearsal.load_balancer.balancer import Balancer
from rehearsal.load_balancer.clusters import check_name
from rehearsal.load_balancer.model import Defaults, gke_defaults
from tests.rehearsal.load_balancer.objects import Obj, objects

T = TypeVar("T")
# Only a hanging test meets it, seconds.
_LIMIT = 60.0


def envoy() -> Path:
    """The program; without it the test is skipped."""
    found = assets.find(["envoy"]).get("envoy")
    if found is None:
        pytest.skip("envoy not found; `python -m serving rehearse --prepare` gets it")
    return found.path


@dataclass
class Rig:
    """A load balancer whose steps the test makes."""

    directory: RehearsalDirectory
    balancer: Balancer

    def serve(self, *items: Obj, secrets: Sequence[Obj] = (), defaults: Defaults | None = None) -> None:
        """Serve these objects."""
        pairs = {("ns", item["metadata"]["name"]): item for item in secrets}
        self.balancer.serve(objects(*items), pairs, defaults or gke_defaults())
        self.balancer.step()

    def until(self, condition: Callable[[], T | None]) -> T:
        """The first true answer of `condition`, while the load balancer goes on."""
        deadline = time.monotonic() + _LIMIT
        while not (answer := condition()):
            assert time.monotonic() < deadline, f"waited in vain: {report.read(self.directory)}"
            self.balancer.step()
            time.sleep(0.05)
        return answer

    def healthy(self, name: str = "pool") -> list[bool]:
        """Health of a backend's endpoints, as reported."""
        rows = report.read(self.directory)["backends"]
        return [row["healthy"] for row in rows if row["name"] == name]

    def routes(self) -> str:
        """The routes that Envoy follows now."""
        return routes_in_force(self.directory)

    def url(self, listener: str = "http") -> str:
        """Where the listener is reached."""
        rows = report.read(self.directory)["gateways"]
        return str(next(row["url"] for row in rows if row["listener"] == listener))

    def get(self, path: str, listener: str = "http", method: str = "GET", **options: Any) -> httpx.Response:
        """Ask once; a connection that is refused is asked again until Envoy listens."""

        def ask() -> httpx.Response | None:
            try:
                return httpx.request(method, self.url(listener) + path, trust_env=False, timeout=30, **options)
            except httpx.ConnectError:
                return None

        return self.until(ask)

    def says(self, path: str, status: int, text: str, **options: Any) -> httpx.Response:
        """The answer once it has a status and begins with a text."""

        def ask() -> httpx.Response | None:
            answer = self.get(path, **options)
            return answer if answer.status_code == status and answer.text.startswith(text) else None

        return self.until(ask)


def routes_in_force(directory: RehearsalDirectory) -> str:
    """The routes that the Envoy of a rehearsal follows now, as its admin interface says."""
    return _admin(directory, "config_dump?resource=dynamic_route_configs").text


def endpoints_in_force(directory: RehearsalDirectory) -> set[str]:
    """`host:port` of every endpoint that Envoy sends requests to, not only checks of health."""
    clusters = _admin(directory, "clusters?format=json").json()["cluster_statuses"]
    hosts = [
        host
        for item in clusters
        if not item["name"].startswith(check_name(""))
        for host in item.get("host_statuses", ())
    ]
    addresses = [host["address"]["socket_address"] for host in hosts]
    return {f"{address['address']}:{address['port_value']}" for address in addresses}


def _admin(directory: RehearsalDirectory, path: str) -> httpx.Response:
    address = (directory.root / "load-balancer" / "admin-address.txt").read_text("utf-8").strip()
    return httpx.get(f"http://{address}/{path}", trust_env=False, timeout=_LIMIT)


@contextmanager
def rig(folder: Path) -> Iterator[Rig]:
    """A load balancer in a folder of its own."""
    binary = envoy()
    directory = RehearsalDirectory(folder)
    directory.create()
    balancer = Balancer(directory, binary)
    try:
        yield Rig(directory, balancer)
    finally:
        balancer.end()
