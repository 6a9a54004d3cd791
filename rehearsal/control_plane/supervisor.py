"""One process that starts everything of a rehearsal and watches it: `python -m rehearsal.control_plane.supervisor DIR`.

The end of any process ends all others: the kernel ends them with the supervisor. Nothing is started again, for a rehearsal
is disposable.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from cluster.target import remove_target
from rehearsal.control_plane import certificates, credentials, flags
from rehearsal.control_plane.addresses import AddressError, claim_network
from rehearsal.control_plane.children import Child, ChildError
from rehearsal.control_plane.names import EGRESS_PROXY, PROMETHEUS, STORAGE, SUPERVISOR
from rehearsal.directory import ENDED, READY, DirectoryError, RehearsalDirectory
from rehearsal.ports import PortError, claim

_PORTS = ("etcd", "etcd-peer", "kube-apiserver", EGRESS_PROXY, STORAGE, PROMETHEUS)
# Looked after the processes this often, seconds.
_PERIOD = 0.2
_ANSWER_SECONDS = 5.0


class Supervisor:
    """The life of one control plane."""

    def __init__(self, directory: RehearsalDirectory) -> None:
        self._directory = directory
        self._record = directory.load_record()
        self._children: list[Child] = []

    def run(self) -> int:
        """Until a process ends, or the record goes with the directory."""
        try:
            # Both are held for the life of this process.
            self._network = claim_network()
            self._claims = {name: claim() for name in _PORTS}
            self._start()
            while self._directory.record.exists():
                self._look()
                time.sleep(_PERIOD)
        except (ChildError, AddressError, PortError, DirectoryError) as error:
            return self._failed(str(error))
        except OSError as error:
            return self._failed(f"{error.strerror}: {error.filename}")
        return 0

    def _start(self) -> None:
        directory, record, network = self._directory, self._record, self._network
        record.pids = {SUPERVISOR: os.getpid()}
        record.service_cidr, record.pod_cidr = network.service_cidr, network.pod_cidr
        ports = record.ports = {name: item.port for name, item in self._claims.items()}
        certificates.make(directory.certs, network.first_service_address)
        token = credentials.make(directory, f"https://127.0.0.1:{ports['kube-apiserver']}")
        flags.write_egress_selector(directory, ports[EGRESS_PROXY])
        context = ssl.create_default_context(cafile=str(directory.certs / "ca.crt"))

        def answers(path: str) -> bool:
            return _answers(ports["kube-apiserver"], path, token, context)

        self._run("etcd", flags.etcd(directory, ports))
        self._run("kube-apiserver", flags.kube_apiserver(directory, ports, record.service_cidr))
        self._wait("kube-apiserver", lambda: answers("/readyz"))
        self._run("kube-controller-manager", flags.kube_controller_manager(directory))
        self._run("kube-scheduler", flags.kube_scheduler(directory))
        self._run_module(EGRESS_PROXY, "rehearsal.control_plane.egress_proxy")
        for module in record.controllers:
            self._run_module(module.rpartition(".")[2].replace("_", "-"), module)
        # The controllers work: they have made the service account of a namespace.
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        self._wait("kube-controller-manager", lambda: answers(account))
        self._wait(EGRESS_PROXY, lambda: _listens(ports[EGRESS_PROXY]))
        self._save(READY)

    def _run(self, name: str, arguments: Sequence[str]) -> None:
        self._add(Child(self._directory, name, [self._record.binaries[name], *arguments]))

    def _run_module(self, name: str, module: str) -> None:
        self._add(Child(self._directory, name, [sys.executable, "-P", "-m", module, str(self._directory.root)]))

    def _add(self, child: Child) -> None:
        self._children.append(child)
        self._record.pids[child.name] = child.pid

    def _wait(self, name: str, answers: Callable[[], bool]) -> None:
        self._save(name)
        while not answers():
            self._look()
            time.sleep(0.05)

    def _look(self) -> None:
        for child in self._children:
            child.check()

    def _save(self, phase: str) -> None:
        self._record.phase = phase
        self._directory.save_record(self._record)

    def _failed(self, failure: str) -> int:
        print(failure, file=sys.stderr)
        remove_target(self._directory.root)
        for child in self._children:
            child.end(0)
        if self._directory.record.exists():
            self._record.failure = failure
            self._save(ENDED)
        return 1


def _answers(port: int, path: str, token: str, context: ssl.SSLContext) -> bool:
    """Whether the API server answers with 200."""
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=_ANSWER_SECONDS, context=context)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        return connection.getresponse().status == http.client.OK
    return False


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def main(arguments: Sequence[str]) -> int:
    """Run the supervisor of the directory named by the only argument."""
    (path,) = arguments
    return Supervisor(RehearsalDirectory(Path(path))).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
