"""A load balancer with the real Envoy, whose steps a test makes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from rehearsal import assets
from rehearsal.directory import RehearsalDirectory
from rehearsal.gke.gateway.objects import by_kind
from rehearsal.load_balancer.balancer import Balancer
from rehearsal.load_balancer.configuration import check_name
from rehearsal.load_balancer.plan import Plan
from rehearsal.load_balancer.record import record
from tests.rehearsal.gke.objects import Obj
from tests.rehearsal.plane import HANGS

T = TypeVar("T")


@dataclass
class LoadBalancer:
    directory: RehearsalDirectory
    balancer: Balancer

    def serve(self, *items: Obj) -> None:
        self.balancer.serve(by_kind(items))
        self.balancer.step()

    def clear(self) -> None:
        """Serve nothing, until Envoy has forgotten what it served."""
        self.serve()
        self.until(lambda: not [name for name in clusters_in_force(self.directory) if "_ns_" in name])

    def until(self, condition: Callable[[], T | None]) -> T:
        """The first true answer of `condition`, while the load balancer goes on."""
        deadline = time.monotonic() + HANGS
        while not (answer := condition()):
            assert time.monotonic() < deadline, f"waited in vain: {read_record(self.directory)}"
            self.balancer.step()
            time.sleep(0.05)
        return answer

    def healthy(self, name: str = "web") -> list[bool]:
        """Health of a backend's endpoints, as recorded."""
        rows = read_record(self.directory)["backends"]
        return [row["healthy"] for row in rows if row["name"] == name]

    def url(self, listener: str = "http") -> str:
        """Where the listener is reached."""
        return str(next(row["url"] for row in read_record(self.directory)["gateways"] if row["name"] == listener))

    def get(self, path: str, listener: str = "http", **options: Any) -> httpx.Response:
        """Ask once; a connection that is refused is asked again until Envoy listens."""

        def ask() -> httpx.Response | None:
            try:
                return httpx.get(self.url(listener) + path, trust_env=False, timeout=HANGS, **options)
            except httpx.ConnectError:
                return None

        return self.until(ask)

    def says(self, path: str, status: int, text: str, **options: Any) -> httpx.Response:
        """The answer once it has a status and begins with a text."""

        def ask() -> httpx.Response | None:
            answer = self.get(path, **options)
            return answer if answer.status_code == status and answer.text.startswith(text) else None

        return self.until(ask)


def envoy() -> Path:
    """The program; without it the test is skipped."""
    found = assets.find(["envoy"]).get("envoy")
    if found is None:
        pytest.skip("envoy not found; `python -m serving rehearse --prepare` gets it")
    return found.path


def read_record(directory: RehearsalDirectory) -> dict[str, Any]:
    """What the load balancer of a rehearsal wrote last."""
    file = directory.root / "load-balancer.json"
    found: dict[str, Any] = json.loads(file.read_bytes()) if file.exists() else record(Plan(), {})
    return found


def routes_in_force(directory: RehearsalDirectory) -> str:
    """The routes that the Envoy of a rehearsal follows now, as its admin interface says."""
    return _admin(directory, "config_dump?resource=dynamic_route_configs").text


def clusters_in_force(directory: RehearsalDirectory) -> dict[str, Any]:
    """Envoy's clusters by name: their hosts."""
    clusters = _admin(directory, "clusters?format=json").json()["cluster_statuses"]
    return {item["name"]: item.get("host_statuses", ()) for item in clusters}


def endpoints_in_force(directory: RehearsalDirectory) -> set[str]:
    """`host:port` of every endpoint that Envoy sends requests to, not only checks of health."""
    used = [hosts for name, hosts in clusters_in_force(directory).items() if not name.startswith(check_name(""))]
    addresses = [host["address"]["socket_address"] for hosts in used for host in hosts]
    return {f"{address['address']}:{address['port_value']}" for address in addresses}


def _admin(directory: RehearsalDirectory, path: str) -> httpx.Response:
    address = (directory.root / "load-balancer" / "admin-address.txt").read_text("utf-8").strip()
    return httpx.get(f"http://{address}/{path}", trust_env=False, timeout=HANGS)


@pytest.fixture(scope="module")
def shared_lb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadBalancer]:
    with load_balancer(tmp_path_factory.mktemp("lb")) as made:
        yield made


@pytest.fixture
def lb(shared_lb: LoadBalancer) -> Iterator[LoadBalancer]:
    """One load balancer for the tests of a module; each begins with nothing."""
    yield shared_lb
    shared_lb.clear()


@contextmanager
def load_balancer(folder: Path) -> Iterator[LoadBalancer]:
    """A load balancer in a folder of its own."""
    directory = RehearsalDirectory(folder)
    directory.create()
    balancer = Balancer(directory, envoy())
    try:
        yield LoadBalancer(directory, balancer)
    finally:
        balancer.end()
