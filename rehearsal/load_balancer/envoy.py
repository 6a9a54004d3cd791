"""The Envoy process: its bootstrap, its life, and what its admin interface says."""

from __future__ import annotations

import http.client
import json
import logging
from collections.abc import Collection
from pathlib import Path
from typing import Any

from rehearsal.control_plane.children import Child
from rehearsal.control_plane.services import Address
from rehearsal.directory import RehearsalDirectory, write_private
from rehearsal.load_balancer import connections
from rehearsal.load_balancer.discovery import CLUSTER, SOURCE, Discovery, Resources

log = logging.getLogger(__name__)

_ANSWER_SECONDS = 2.0
_END_SECONDS = 5.0
# Envoy keeps a TLS error out of the answer since 1.38.1; GKE's answers have it (field issue 15).
_RUNTIME = {"envoy.reloadable_features.hide_transport_failure_reason_in_response_body": False}
# A listener that goes away ends its connections after this time.
_DRAIN_SECONDS = 5


def bootstrap(token: str, discovery_port: int) -> dict[str, Any]:
    """What Envoy starts with: everything else is discovered. It says `token` with every question."""
    address = {"socket_address": {"address": "127.0.0.1", "port_value": discovery_port}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    discovery = {"name": CLUSTER, "load_assignment": {"cluster_name": CLUSTER, "endpoints": endpoints}}
    return {
        "node": {"id": token, "cluster": "rehearsal"},
        # The kernel chooses the port, so that no other program can have it; Envoy writes it into a file.
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "layered_runtime": {"layers": [{"name": "gke", "static_layer": _RUNTIME}]},
        "static_resources": {"clusters": [discovery]},
        "dynamic_resources": {"cds_config": SOURCE, "lds_config": SOURCE},
    }


class Envoy:
    """One Envoy; it must be made and started in the main thread (see `die_with_parent`)."""

    def __init__(self, directory: RehearsalDirectory, binary: Path) -> None:
        self.folder = directory.root / "load-balancer"
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self._discovery = Discovery()
        self._admin = self.folder / "admin-address.txt"
        self._admin.unlink(missing_ok=True)
        start = self.folder / "bootstrap.json"
        write_private(start, json.dumps(bootstrap(self._discovery.token, self._discovery.port), indent=1))
        # Without hot restart nothing is shared with another Envoy on this machine.
        limits = ["--concurrency", "1", "--drain-time-s", str(_DRAIN_SECONDS), "--drain-strategy", "immediate"]
        command = [str(binary), "-c", str(start), "--admin-address-path", str(self._admin), "--disable-hot-restart"]
        self._child = Child(directory, "envoy", [*command, "--log-level", "warning", *limits])

    def configure(self, resources: Resources) -> None:
        """What it serves from now on."""
        self._discovery.publish(resources)

    def check(self) -> None:
        """Raise where it does not run any more.

        Raises:
            rehearsal.control_plane.children.ChildError: how it ended.
        """
        self._child.check()

    def cut(self, addresses: Collection[Address]) -> None:
        """End its connections to these endpoints, and what is under way on them."""
        if addresses:
            connections.cut(self._child.pid, addresses)

    def clusters(self) -> dict[str, Any]:
        """Envoy's clusters and hosts; empty where it does not answer."""
        return self.ask("/clusters?format=json")

    def ask(self, path: str) -> dict[str, Any]:
        """An answer of its admin interface, which must be JSON; empty where it does not answer."""
        try:
            host, _, port = self._admin.read_text("utf-8").strip().partition(":")
            connection = http.client.HTTPConnection(host, int(port), timeout=_ANSWER_SECONDS)
        except (FileNotFoundError, ValueError):  # it has not come so far yet
            return {}
        try:
            connection.request("GET", path)
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
            return answer
        except (OSError, http.client.HTTPException, ValueError):
            return {}
        finally:
            connection.close()

    def end(self) -> None:
        """End it."""
        self._child.end(_END_SECONDS)
        self._discovery.end()
