"""One load balancer for all Gateways of a cluster: what it serves, the health of its endpoints, and its record."""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import json
import socket
import time
from collections.abc import Iterable
from pathlib import Path

import trustme

from rehearsal.control_plane.services import Address
from rehearsal.directory import RehearsalDirectory, write_private
from rehearsal.gke.events import now
from rehearsal.gke.gateway.objects import Key, KubeObject, Objects
from rehearsal.load_balancer.backends import Backend
from rehearsal.load_balancer.configuration import check_name
from rehearsal.load_balancer.envoy import Envoy
from rehearsal.load_balancer.plan import Pair, Plan, plan, resources
from rehearsal.load_balancer.record import record
from rehearsal.ports import Claim, claim


class Draining:
    """Remembers when the time of each endpoint that left is up. One of several backends has the longest of their times."""

    def __init__(self) -> None:
        self._seconds: dict[Address, float] = {}
        self._ends: dict[Address, float] = {}

    def update(self, backends: Iterable[Backend], now: float) -> None:
        """These are the backends from `now` on (monotonic seconds); what is no longer in one of them has begun to leave."""
        seconds: dict[Address, float] = {}
        for backend in backends:
            for endpoint in backend.endpoints:
                seconds[endpoint.address] = max(seconds.get(endpoint.address, 0.0), backend.draining)
        self._ends |= {address: now + self._seconds[address] for address in self._seconds.keys() - seconds.keys()}
        self._ends = {address: end for address, end in self._ends.items() if address not in seconds}
        self._seconds = seconds

    def over(self, now: float) -> set[Address]:
        """The endpoints whose time is up since the last question."""
        found = {address for address, end in self._ends.items() if end <= now}
        self._ends = {address: end for address, end in self._ends.items() if address not in found}
        return found


class Balancer:
    """Made and used in the main thread."""

    def __init__(self, directory: RehearsalDirectory, envoy: Path) -> None:
        self._folder, self._envoy, self._draining = directory.root, Envoy(directory, envoy), Draining()
        self._objects: Objects = {}
        self._plan, self._stale, self._written = Plan(), True, ""
        # Backend and endpoint -> whether it is healthy, and since when.
        self._health: dict[tuple[str, Address], tuple[bool, str]] = {}
        self._claims: dict[tuple[Key, int], Claim] = {}
        self._own: dict[Address, bool] = {}
        self._made: dict[str, Pair] = {}

    def serve(self, objects: Objects) -> None:
        """Serve these objects from the next step on."""
        # A number by which every limit of a backend is multiplied: a stream of 45 seconds need not take 45 seconds here.
        file = self._folder / "backend-time-scale.txt"
        scale = float(file.read_text("utf-8")) if file.exists() else 1.0
        self._objects = objects
        self._plan, self._stale = plan(objects, scale, self._port, self._pair), True
        self._draining.update(self._plan.backends.values(), time.monotonic())

    def step(self) -> None:
        """Look at the health of every endpoint, and bring Envoy and the record up to date."""
        if self._look() or self._stale:
            healthy: dict[str, set[Address]] = {}
            for (backend, address), (is_healthy, _) in self._health.items():
                healthy.setdefault(backend, set()).update([address] if is_healthy else [])
            self._envoy.configure(resources(self._plan, healthy, self._may_listen))
            text = json.dumps(record(self._plan, self._health), indent=1)
            if text != self._written:
                write_private(self._folder / "load-balancer.json", text + "\n")
            self._stale, self._written = False, text
        self._envoy.cut(self._draining.over(time.monotonic()))
        self._envoy.check()

    def _look(self) -> bool:
        """Take over what Envoy's health checks say; whether anything changed. An endpoint is unhealthy until a check passes."""
        before, said = self._health, {}
        for cluster in self._envoy.clusters().get("cluster_statuses") or ():
            for host in cluster.get("host_statuses") or ():
                address, status = host["address"]["socket_address"], host.get("health_status") or {}
                if not status.get("pending_active_hc"):
                    key = cluster["name"], (address["address"], int(address["port_value"]))
                    said[key] = not status.get("failed_active_health_check", False)
        self._health = {}
        for backend in self._plan.backends.values():
            for endpoint in backend.endpoints:
                old = before.get((backend.id, endpoint.address), (False, now()))
                healthy = said.get((check_name(backend.id), endpoint.probe), old[0])
                self._health[backend.id, endpoint.address] = old if healthy == old[0] else (healthy, now())
        return self._health != before

    def _port(self, gateway: Key, port: int) -> int:
        """The port of 127.0.0.1 for a Gateway's, the same one as long as this process runs."""
        if (gateway, port) not in self._claims:
            self._claims[gateway, port] = claim()
        return self._claims[gateway, port].port

    def _may_listen(self, address: Address) -> bool:
        """Whether this user may listen on a Gateway's own address: one of loopback, and no port of root's. Asked once:
        afterwards Envoy itself has it."""
        if address not in self._own:
            self._own[address] = False
            with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tried:
                tried.setsockopt(
                    socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
                )  # a connection that just ended is no obstacle
                tried.bind(address)
                self._own[address] = ipaddress.ip_address(address[0]).is_loopback
        return self._own[address]

    def _pair(self, gateway: Key, listener: KubeObject) -> Pair:
        """The certificate of an HTTPS listener: its Secret's, or one made here in place of one that Google Cloud keeps."""
        for reference in listener["tls"].get("certificateRefs") or ():
            data = self._objects["Secret"][gateway[0], reference["name"]]["data"]
            chain, key = (base64.b64decode(data[name]).decode(errors="replace") for name in ("tls.crt", "tls.key"))
            return chain, key
        hostname = listener.get("hostname") or "localhost"
        if hostname not in self._made:
            authority = trustme.CA()
            made = authority.issue_cert(*{hostname, "localhost", "127.0.0.1"})
            write_private(self._envoy.folder / f"{hostname}.crt", authority.cert_pem.bytes().decode())
            chain, key = (pem.bytes().decode() for pem in (made.cert_chain_pems[0], made.private_key_pem))
            self._made[hostname] = chain, key
        return self._made[hostname]

    def end(self) -> None:
        """End Envoy."""
        self._envoy.end()
        for item in self._claims.values():
            item.release()
