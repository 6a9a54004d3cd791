"""Starting a rehearsal's control plane, taking one that runs, and ending it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cluster.target import remove_target
from rehearsal import die_with_parent
from rehearsal.control_plane import processes
from rehearsal.control_plane.children import environment, last_lines
from rehearsal.control_plane.names import BINARIES, CONTROLLERS, SUPERVISOR
from rehearsal.directory import READY, STARTING, Record, RehearsalDirectory

# Seconds. A start takes 5; a machine that is busy with something else may need much longer.
_START_LIMIT = 180.0

Progress = Callable[[str], None]


class ControlPlaneError(Exception):
    """The control plane can't be started or ended; the message says why and what to do."""


def start(
    directory: RehearsalDirectory,
    binaries: Mapping[str, Path],
    *,
    progress: Progress,
    controllers: Sequence[str] = CONTROLLERS,
    fresh: bool = False,
    attached: bool = False,
) -> bool:
    """A ready control plane. To be called by the holder of the directory's lock.

    One that runs with the same programs is taken as it is: then the answer is False. Of any other, and of one that was cut off, nothing is kept:
    its processes are ended, everything in the directory is deleted, and it starts anew.

    Args:
        fresh: one that runs is not taken either, as after the deletion of its cluster.
        attached: the kernel ends it with this process's calling thread; else it outlives the caller.

    Raises:
        ControlPlaneError: it can't be started.
        DirectoryError: the directory can't be used.
    """
    wanted = Record(binaries=_checked(binaries), controllers=tuple(controllers), phase=STARTING)
    record = directory.load_record()
    same = (record.binaries, record.controllers) == (wanted.binaries, wanted.controllers)
    fresh = fresh or directory.cluster_deleted.exists()
    if same and not fresh and is_whole(directory):
        return False
    if directory.record.exists():
        progress("the rehearsal of before is removed" + ("" if is_whole(directory) else ": it was cut off"))
    stop(directory)
    directory.clear()
    directory.create()
    directory.save_record(wanted)
    try:
        _launch(directory, progress, attached=attached)
    except BaseException:
        stop(directory)
        raise
    return True


def is_whole(directory: RehearsalDirectory) -> bool:
    """Whether everything runs, and the engine was not cut off while it wrote the state."""
    record = directory.load_record()
    alive = all(processes.is_marked(directory, pid) for pid in record.pids.values())
    return record.phase == READY and alive and not directory.interrupted.exists()


def stop(directory: RehearsalDirectory) -> None:
    """End every process that carries the directory's mark, whoever started it; the files stay.

    Raises:
        ControlPlaneError: a process can't be ended.
    """
    remove_target(directory.root)
    if remaining := processes.kill_marked(directory):
        names = ", ".join(processes.describe(process) for process in remaining)
        raise ControlPlaneError(f"can't be ended: {names}. End it by hand (kill -9) and try again.")
    for child in _launched:
        child.poll()


def why_ended(directory: RehearsalDirectory) -> str | None:
    """Why the control plane does not run any more; None while it does."""
    record = directory.load_record()
    if SUPERVISOR in record.pids and processes.is_marked(directory, record.pids[SUPERVISOR]):
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


# Supervisors that this process started: whoever starts a process has to collect it.
_launched: list[subprocess.Popen[bytes]] = []


def _launch(directory: RehearsalDirectory, progress: Progress, *, attached: bool) -> None:
    log = directory.logs / "supervisor.log"
    command = [sys.executable, "-P", "-m", "rehearsal.control_plane.supervisor", str(directory.root)]
    with open(log, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as output:
        child = subprocess.Popen(
            die_with_parent.wrap(command) if attached else command,
            env=environment(directory),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    _launched.append(child)
    began, told = time.monotonic(), ""
    while (record := directory.load_record()).phase != READY:
        if child.poll() is not None:
            raise ControlPlaneError(directory.load_record().failure or f"the supervisor ended. {last_lines(log)}")
        if record.phase != told:
            told = record.phase
            progress(f"waiting for {told}")
        if time.monotonic() - began > _START_LIMIT:
            raise ControlPlaneError(
                f"the control plane is not ready after {_START_LIMIT:.0f} s; it waits for {told}. Logs: {directory.logs}"
            )
        time.sleep(0.05)
