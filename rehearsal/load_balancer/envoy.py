"""The Envoy process: its bootstrap, its life, what its admin interface says, and the end of its connections."""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import json
import os
import socket
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import psutil

from rehearsal.control_plane.children import Child
from rehearsal.control_plane.services import Address
from rehearsal.directory import RehearsalDirectory, write_private
from rehearsal.load_balancer.configuration import fill
from rehearsal.load_balancer.discovery import Discovery, Resources

_ANSWER_SECONDS, _END_SECONDS = 2.0, 5.0
# A listener that goes away ends its connections after this time.
_DRAIN_SECONDS = 5
# asm-generic/unistd.h
_PIDFD_GETFD = 438


class Envoy:
    """One Envoy; it must be made in the main thread (see `Child`)."""

    def __init__(self, directory: RehearsalDirectory, binary: Path) -> None:
        self.folder = directory.root / "load-balancer"
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self._discovery = Discovery()
        self._admin, start = self.folder / "admin-address.txt", self.folder / "bootstrap.json"
        self._admin.unlink(missing_ok=True)
        first = fill("bootstrap", token=self._discovery.token, port=self._discovery.server_port)
        write_private(start, json.dumps(first, indent=1))
        # Without hot restart nothing is shared with another Envoy on this machine.
        options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]
        options += ["--drain-time-s", str(_DRAIN_SECONDS), "--drain-strategy", "immediate"]
        command = [str(binary), "-c", str(start), "--admin-address-path", str(self._admin), *options]
        self._child = Child(directory, "envoy", command)

    def configure(self, resources: Resources) -> None:
        """What it serves from now on."""
        self._discovery.publish(resources)

    def check(self) -> None:
        """Raise ChildError, which says how it ended, where it does not run any more."""
        self._child.check()

    def clusters(self) -> dict[str, Any]:
        """Its clusters and their hosts, as its admin interface says; empty where it does not answer."""
        with contextlib.suppress(
            OSError, http.client.HTTPException, ValueError
        ):  # it has not come so far, or has ended
            host, _, port = self._admin.read_text("utf-8").strip().partition(":")
            with contextlib.closing(http.client.HTTPConnection(host, int(port), timeout=_ANSWER_SECONDS)) as connection:
                connection.request("GET", "/clusters?format=json")
                answer: dict[str, Any] = json.loads(connection.getresponse().read())
                return answer
        return {}

    def cut(self, addresses: Collection[Address]) -> None:
        """Shut its connections to these endpoints: Envoy itself lets a request end in peace whatever becomes of its
        endpoint (ADR 20). Only Linux can do it; elsewhere they stay."""
        if sys.platform != "linux" or not addresses:
            return
        with contextlib.suppress(psutil.Error, OSError):
            opened = psutil.Process(self._child.pid).net_connections("tcp4")
            process = os.pidfd_open(self._child.pid)
            try:
                for number in [item.fd for item in opened if item.raddr and tuple(item.raddr) in addresses]:
                    _shut(process, number, addresses)
            finally:
                os.close(process)

    def end(self) -> None:
        """End it."""
        self._child.end(_END_SECONDS)
        self._discovery.end()


def _shut(process: int, number: int, addresses: Collection[Address]) -> None:
    copy = ctypes.CDLL(None, use_errno=True).syscall(_PIDFD_GETFD, process, number, 0)
    if copy < 0:  # closed meanwhile
        return
    with contextlib.suppress(OSError), socket.socket(fileno=copy) as connection:
        # The number may stand for another connection by now.
        if connection.getpeername() in addresses:
            connection.shutdown(socket.SHUT_RDWR)
