"""Ports on 127.0.0.1 that stay the same over restarts: they are kept in the rehearsal's record."""

from __future__ import annotations

import socket

from rehearsal.directory import RehearsalDirectory
from rehearsal.gke.gateway.world import Key
from rehearsal.kubelet.ports import claim_port

ADMIN = "envoy-admin"


class Ports:
    """Recorded ports; each is looked at once in the life of this process."""

    def __init__(self, directory: RehearsalDirectory) -> None:
        self._directory = directory
        self._known: dict[str, int] = {}

    def of_gateway(self, gateway: Key, port: int) -> int:
        """The port that plays a Gateway's."""
        return self.of(f"gateway/{'/'.join(gateway)}/{port}")

    def of(self, name: str) -> int:
        """The recorded port, or a new one where there is none or another program has it by now."""
        if name not in self._known:
            with self._directory.change_record() as record:
                recorded = record.ports.get(name)
                if recorded is None or not _is_free(recorded):
                    record.ports = {**record.ports, name: claim_port()}
                self._known[name] = record.ports[name]
        return self._known[name]


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
