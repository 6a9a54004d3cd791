"""The Envoy process: its bootstrap, its files, its life, and what its admin interface says."""

from __future__ import annotations

import http.client
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rehearsal.control_plane.children import Child
from rehearsal.directory import RehearsalDirectory, write_private
from rehearsal.load_balancer.clusters import file_source

log = logging.getLogger(__name__)

_ANSWER_SECONDS = 2.0
_END_SECONDS = 5.0
# Envoy keeps a TLS error out of the answer since 1.38.1; GKE's answers have it (field issue 15).
_RUNTIME = {"envoy.reloadable_features.hide_transport_failure_reason_in_response_body": False}
# A listener that goes away ends its connections after this time.
_DRAIN_SECONDS = 5


def bootstrap(folder: Path, admin_port: int) -> dict[str, Any]:
    """What Envoy starts with: everything else comes from files in `folder`."""
    return {
        "node": {"id": "load-balancer", "cluster": "rehearsal"},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin_port}}},
        "layered_runtime": {"layers": [{"name": "gke", "static_layer": _RUNTIME}]},
        "dynamic_resources": {
            "cds_config": file_source(folder / "cds.json"),
            "lds_config": file_source(folder / "lds.json"),
        },
    }


class Envoy:
    """One Envoy; it must be made and started in the main thread (see `die_with_parent`)."""

    def __init__(self, directory: RehearsalDirectory, binary: Path, admin_port: int) -> None:
        self.folder = directory.root / "load-balancer"
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self._admin_port = admin_port
        self._written: dict[str, str] = {}
        start = self.folder / "bootstrap.json"
        write_private(start, json.dumps(bootstrap(self.folder, admin_port), indent=1))
        # Without hot restart nothing is shared with another Envoy on this machine.
        limits = ["--concurrency", "1", "--drain-time-s", str(_DRAIN_SECONDS), "--drain-strategy", "immediate"]
        command = [str(binary), "-c", str(start), "--disable-hot-restart", "--log-level", "warning", *limits]
        self._child = Child(directory, "envoy", command)

    def write(self, files: Mapping[str, str]) -> None:
        """Bring the files up to date in their order; each is replaced in one step."""
        for name, text in files.items():
            if self._written.get(name) != text:
                write_private(self.folder / name, text)
        if self._written.keys() != files.keys():
            for path in self.folder.glob("?ds-*.json"):
                if path.name not in files:
                    path.unlink()
        self._written = dict(files)

    def keep_running(self) -> None:
        """Start it, or start it again with growing pauses."""
        if not self._child.started:
            self._child.start()
        elif not self._child.runs() and self._child.restart_when_due():
            log.warning("Envoy was started again")

    def clusters(self) -> dict[str, Any]:
        """Envoy's clusters and hosts; empty where it does not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self._admin_port, timeout=_ANSWER_SECONDS)
        try:
            connection.request("GET", "/clusters?format=json")
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
            return answer
        except (OSError, http.client.HTTPException, ValueError):
            return {}
        finally:
            connection.close()

    def end(self) -> None:
        """End it."""
        self._child.terminate()
        self._child.wait(_END_SECONDS)
