"""Starting a rehearsal's control plane, taking one that runs, and ending it."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.target import remove_target
from rehearsal.control_plane import processes
from rehearsal.control_plane.children import environment, last_lines, rotate
from rehearsal.control_plane.health import Health
from rehearsal.control_plane.names import BINARIES, ENDED, READY, STAND_INS, STARTING, SUPERVISOR
from rehearsal.directory import Record, RehearsalDirectory, hold_lock

# Seconds. A start takes 5; a machine that is busy with something else may need much longer.
_START_LIMIT = 180.0
_ANSWER_LIMIT = 15.0
_STOP_LIMIT = 30.0
# Another program may take a port between the choice and its use.
_ATTEMPTS = 3
_PORT_TAKEN = "address already in use"

Progress = Callable[[str], None]


class ControlPlaneError(Exception):
    """The control plane can't be started or ended; the message says why and what to do."""


@dataclass(frozen=True)
class ControlPlane:
    """A control plane that is ready.

    Attributes:
        server: URL of the API server.
        authority: PEM file of the CA that signed its certificate.
        reused: it ran already and was taken as it is.
    """

    directory: RehearsalDirectory
    server: str
    authority: Path
    kubeconfig: Path
    service_cidr: str
    pod_cidr: str
    reused: bool


def start(
    directory: RehearsalDirectory,
    binaries: Mapping[str, Path],
    *,
    progress: Progress,
    stand_ins: Sequence[str] = STAND_INS,
    die_with: int | None = None,
) -> ControlPlane:
    """A ready control plane on the directory's data.

    A healthy one of the same binaries and stand-ins is taken as it is. Anything else that is left of a former run is
    ended first. It outlives the caller, or ends with the process `die_with`.

    Raises:
        ControlPlaneError: it can't be started.
        DirectoryError: the directory can't be used.
    """
    directory.create()
    paths = _checked(binaries)
    _check_modules(stand_ins)
    with hold_lock(directory.root / "control-plane.lock", wait=True):
        with directory.change_record() as record:
            record.die_with = die_with
        same = record.binaries == paths and record.stand_ins == tuple(stand_ins)
        if same and _is_healthy(directory, record, progress):
            return _control_plane(directory, directory.load_record(), reused=True)
        _end(directory, progress)
        for attempt in range(_ATTEMPTS):
            with directory.change_record() as record:
                record.binaries, record.stand_ins = paths, tuple(stand_ins)
                record.phase, record.failure = STARTING, ""
            try:
                _launch_and_wait(directory, progress)
                return _control_plane(directory, directory.load_record(), reused=False)
            except ControlPlaneError as error:
                _end(directory, progress)
                if _PORT_TAKEN not in str(error) or attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")


def stop(directory: RehearsalDirectory, *, progress: Progress | None = None) -> None:
    """End the control plane and everything that carries the directory's mark; its data stays.

    Raises:
        ControlPlaneError: a process can't be ended.
    """
    if directory.root.exists():
        with hold_lock(directory.root / "control-plane.lock", wait=True):
            _end(directory, progress or (lambda _: None))
    else:
        _end_marked(directory)


def why_ended(directory: RehearsalDirectory) -> str | None:
    """Why the control plane does not run any more; None while it does."""
    record = directory.load_record()
    if _supervisor_runs(directory, record):
        return None
    return record.failure or "its supervisor was killed"


def _checked(binaries: Mapping[str, Path]) -> dict[str, str]:
    for name in BINARIES:
        path = binaries.get(name)
        if path is None or not os.access(path, os.X_OK):
            raise ControlPlaneError(
                f"{name}: {path or 'no path given'} can't be run. `python -m rehearsal.assets` finds or builds it."
            )
    return {name: str(Path(binaries[name]).resolve()) for name in BINARIES}


def _check_modules(stand_ins: Sequence[str]) -> None:
    for module in stand_ins:
        if importlib.util.find_spec(module) is None:
            raise ControlPlaneError(f"the stand-in {module} does not exist")


def _control_plane(directory: RehearsalDirectory, record: Record, *, reused: bool) -> ControlPlane:
    return ControlPlane(
        directory=directory,
        server=f"https://127.0.0.1:{record.ports['kube-apiserver']}",
        authority=directory.certs / "ca.crt",
        kubeconfig=directory.kubeconfig,
        service_cidr=record.service_cidr,
        pod_cidr=record.pod_cidr,
        reused=reused,
    )


def _is_healthy(directory: RehearsalDirectory, record: Record, progress: Progress) -> bool:
    """Every process is there, and each answers within the limit. One that is still starting is waited for."""
    if not _supervisor_runs(directory, record):
        return False
    if record.phase not in (READY, ENDED):
        with contextlib.suppress(ControlPlaneError):
            _wait_ready(directory, progress, lambda: _supervisor_runs(directory, directory.load_record()))
    record = directory.load_record()
    if record.phase != READY:
        return False
    health = Health(directory, record.ports)
    deadline = time.monotonic() + _ANSWER_LIMIT

    def all_there() -> bool:
        return all(processes.is_marked(directory, item.pid) for item in directory.load_record().pids.values())

    while all_there():
        if health.all():
            # One that was being killed may have answered before it went.
            return all_there()
        if time.monotonic() > deadline:
            return False
        progress("waiting for an answer of the control plane")
        time.sleep(0.5)
    return False


def _supervisor_runs(directory: RehearsalDirectory, record: Record) -> bool:
    supervisor = record.pids.get(SUPERVISOR)
    return supervisor is not None and processes.is_marked(directory, supervisor.pid)


def _launch_and_wait(directory: RehearsalDirectory, progress: Progress) -> None:
    log = directory.logs / "supervisor.log"
    rotate(log)
    with log.open("ab") as output:
        log.chmod(0o600)
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "rehearsal.control_plane.supervisor", str(directory.root)],
            env=environment(directory),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    _launched[child.pid] = child
    _wait_ready(directory, progress, lambda: child.poll() is None)


# Supervisors that this process started: whoever starts a process has to collect it.
_launched: dict[int, subprocess.Popen[bytes]] = {}


def _wait_ready(directory: RehearsalDirectory, progress: Progress, runs: Callable[[], bool]) -> None:
    began = time.monotonic()
    told = ""
    while True:
        alive = runs()
        record = directory.load_record()
        if record.phase == READY:
            return
        if not alive:
            log = directory.logs / "supervisor.log"
            raise ControlPlaneError(record.failure or f"the supervisor ended. {last_lines(log)}")
        if record.phase != told:
            told = record.phase
            progress(f"waiting for {told}")
        if time.monotonic() - began > _START_LIMIT:
            raise ControlPlaneError(
                f"the control plane is not ready after {_START_LIMIT:.0f} s; it waits for {told}. Logs: {directory.logs}"
            )
        time.sleep(0.05)


def _end(directory: RehearsalDirectory, progress: Progress) -> None:
    record = directory.load_record()
    supervisor = record.pids.get(SUPERVISOR)
    if supervisor is not None and processes.is_marked(directory, supervisor.pid):
        progress("ending the control plane")
        with contextlib.suppress(ProcessLookupError):
            os.kill(supervisor.pid, signal.SIGTERM)
        processes.wait_gone([supervisor.pid], _STOP_LIMIT)
    _end_marked(directory)
    for child in _launched.values():
        child.poll()
    with directory.change_record() as record:
        record.pids, record.phase = {}, ENDED
    remove_target(directory.path)


def _end_marked(directory: RehearsalDirectory) -> None:
    remaining = processes.kill_marked(directory)
    if remaining:
        names = ", ".join(processes.describe(process) for process in remaining)
        raise ControlPlaneError(f"can't be ended: {names}. End it by hand (kill -9) and try again.")
