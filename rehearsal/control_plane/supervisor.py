"""One process that starts, watches and ends everything of a rehearsal: `python -m rehearsal.control_plane.supervisor DIR`.

The end of etcd or of the API server ends everything; every other process is started again after a pause. Its own end,
also by SIGKILL, ends all children (the kernel does it).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import FrameType

from cluster.target import remove_target
from rehearsal.control_plane import addresses, certificates, credentials, flags, processes
from rehearsal.control_plane.children import Child
from rehearsal.control_plane.health import Health
from rehearsal.control_plane.names import BINARIES, EGRESS_PROXY, ENDED, READY, SUPERVISOR
from rehearsal.directory import DirectoryError, ProcessRecord, RehearsalDirectory
from rehearsal.ports import Claim, PortError

# Seconds that a process gets between SIGTERM and SIGKILL.
_STAND_IN_GRACE = 10.0
_GRACE = 3.0


class _StopError(Exception):
    """The supervisor was asked to end, or the process it lives with has ended."""


class _ChildError(Exception):
    """A process without which nothing works has ended; the message is for people."""


class Supervisor:
    """The life of one control plane, from the choice of its ports to the end of its last process."""

    def __init__(self, directory: RehearsalDirectory) -> None:
        self._directory = directory
        self._children: dict[str, Child] = {}
        self._essential: set[str] = set(BINARIES)
        self._stop = False
        self._claim: socket.socket | None = None
        self._claims: dict[str, Claim] = {}
        self._next_look = 0.0
        self._wake_reader, writer = os.pipe()
        for descriptor in (self._wake_reader, writer):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self._stop = True

    def run(self) -> int:
        """Until it is asked to end (0) or something essential fails (1)."""
        failure = ""
        try:
            self._prepare()
            self._start_all()
            while True:
                self._pause(1.0)
        except _StopError:
            pass
        except (_ChildError, addresses.AddressError, PortError, DirectoryError) as error:
            failure = str(error)
        except OSError as error:
            failure = f"{error.strerror}: {error.filename}"
        finally:
            self._end_all()
        if self._directory.record.exists():
            with self._directory.change_record() as record:
                record.pids, record.phase, record.failure = {}, ENDED, failure
            remove_target(self._directory.path)
        if failure:
            print(failure, file=sys.stderr)
        return 1 if failure else 0

    def _prepare(self) -> None:
        """Network, ports, certificates, tokens, kubeconfigs."""
        directory = self._directory
        with directory.change_record() as record:
            record.pids = {SUPERVISOR: ProcessRecord(pid=os.getpid(), started=time.time())}
            record.network, self._claim = addresses.claim_network(directory, record)
            record.service_cidr = addresses.service_cidr(record.network)
            record.pod_cidr = addresses.pod_cidr(record.network)
            self._claims = addresses.claim_ports(record.ports)
            record.ports = {**record.ports, **{name: item.port for name, item in self._claims.items()}}
        self._ports = record.ports
        certificates.ensure(directory.certs, addresses.first_service_address(record.network))
        credentials.write_kubeconfigs(directory, f"https://127.0.0.1:{self._ports['kube-apiserver']}")
        flags.write_egress_selector(directory, self._ports["egress-proxy"])

        commands = {
            "etcd": flags.etcd(directory, self._ports),
            "kube-apiserver": flags.kube_apiserver(directory, self._ports, record.service_cidr),
            "kube-controller-manager": flags.kube_controller_manager(directory, self._ports),
            "kube-scheduler": flags.kube_scheduler(directory, self._ports),
        }
        for name, arguments in commands.items():
            self._children[name] = Child(directory, name, [record.binaries[name], *arguments])
        modules = {EGRESS_PROXY: "rehearsal.control_plane.proxy"}
        modules |= {module.rpartition(".")[2].replace("_", "-"): module for module in record.stand_ins}
        self._stand_ins = [name for name in modules if name != EGRESS_PROXY]
        for name, module in modules.items():
            self._children[name] = Child(directory, name, [sys.executable, "-P", "-m", module, str(directory.root)])

    def _start_all(self) -> None:
        health = Health(self._directory, self._ports)
        self._start("etcd", "kube-apiserver")
        self._wait("etcd", health.etcd)
        self._wait("kube-apiserver", health.serves)
        self._start("kube-controller-manager", "kube-scheduler", EGRESS_PROXY, *self._stand_ins)
        self._wait("kube-apiserver", health.ready)
        self._wait("kube-controller-manager", health.controller_manager)
        self._wait("kube-scheduler", health.scheduler)
        self._wait(EGRESS_PROXY, self._proxy_listens)
        # From here on only these two can't be replaced: everything the others know is in etcd.
        self._essential = {"etcd", "kube-apiserver"}
        self._set_phase(READY)

    def _proxy_listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._ports[EGRESS_PROXY]), 1):
            return True
        return False

    def _start(self, *names: str) -> None:
        for name in names:
            self._children[name].start()
        self._record_pids(names)

    def _record_pids(self, names: Iterable[str]) -> None:
        with self._directory.change_record() as record:
            for name in names:
                child = self._children[name]
                record.pids[name] = ProcessRecord(pid=child.pid, started=child.started)

    def _set_phase(self, phase: str) -> None:
        with self._directory.change_record() as record:
            record.phase = phase

    def _wait(self, name: str, answers: Callable[[], bool]) -> None:
        self._set_phase(name)
        while not answers():
            self._pause(0.05)

    def _pause(self, seconds: float) -> None:
        """Wait, or less when a signal arrives; look after the children.

        Raises:
            _StopError, _ChildError: it is over.
        """
        select.select([self._wake_reader], [], [], seconds)
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_reader, 512)
        if self._stop:
            raise _StopError
        for name, child in self._children.items():
            if child.started and not child.runs():
                if name in self._essential:
                    raise _ChildError(child.how_it_ended())
                if child.restart_when_due():
                    print(f"{name} was started again", file=sys.stderr)
                    self._record_pids([name])
        if time.monotonic() > self._next_look:
            self._next_look = time.monotonic() + 1.0
            companion = self._directory.load_record().die_with
            gone = companion is not None and not processes.exists(companion)
            if gone or not self._directory.record.exists():
                raise _StopError

    def _end_all(self) -> None:
        """Stand-ins first, while the API server still takes what they have to say; etcd last."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        stand_ins = [name for name in self._children if name not in (*BINARIES, EGRESS_PROXY)]
        self._end(stand_ins, _STAND_IN_GRACE)
        self._end(("kube-scheduler", "kube-controller-manager", EGRESS_PROXY), _GRACE)
        self._end(("kube-apiserver",), _GRACE)
        self._end(("etcd",), _GRACE)
        if self._claim is not None:
            self._claim.close()

    def _end(self, names: Sequence[str], grace: float) -> None:
        children = [self._children[name] for name in names if name in self._children]
        for child in children:
            child.terminate()
        deadline = time.monotonic() + grace
        for child in children:
            child.wait(deadline - time.monotonic())


def main(arguments: Sequence[str]) -> int:
    """Run the supervisor of the directory named by the only argument."""
    (path,) = arguments
    return Supervisor(RehearsalDirectory(Path(path))).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
