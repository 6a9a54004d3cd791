"""The processes of a rehearsal, found by the mark in their environment whatever became of their parents."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable

import psutil

from rehearsal.directory import MARK, RehearsalDirectory

# Seconds within which the kernel ends a killed process of some gigabytes on a busy machine.
_KILL_LIMIT = 15.0


def marked(directory: RehearsalDirectory) -> list[psutil.Process]:
    """Every running process that carries this directory's mark, but this one and those that started it."""
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return [process for process in psutil.process_iter() if process.pid not in own and _has_mark(process, directory)]


def is_marked(directory: RehearsalDirectory, pid: int) -> bool:
    """Whether this process runs and is the directory's: a process id may have been given to another one since."""
    try:
        return _has_mark(psutil.Process(pid), directory)
    except psutil.NoSuchProcess:
        return False


def _has_mark(process: psutil.Process, directory: RehearsalDirectory) -> bool:
    try:
        return bool(process.environ().get(MARK) == str(directory.root))
    except (psutil.Error, OSError):  # ended, a zombie, or another user's
        return False


def exists(pid: int) -> bool:
    """Whether a process runs; one that ended completely and only waits to be collected does not."""
    try:
        if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            return True
    except psutil.NoSuchProcess:
        return False
    # The first thread may have ended before the others, which still hold the process's ports.
    with contextlib.suppress(OSError):
        return len(os.listdir(f"/proc/{pid}/task")) > 1
    return False


def wait_gone(pids: Iterable[int], limit: float) -> list[int]:
    """Wait until these processes have ended; what still runs after `limit` seconds."""
    deadline = time.monotonic() + limit
    while remaining := [pid for pid in pids if exists(pid)]:
        if time.monotonic() > deadline:
            return remaining
        time.sleep(0.02)
    return []


def kill_marked(directory: RehearsalDirectory) -> list[psutil.Process]:
    """SIGKILL to every marked process until there is none, for one may start another before its turn.

    Returns:
        What can't be ended.
    """
    while found := marked(directory):
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if wait_gone([process.pid for process in found], _KILL_LIMIT):
            return marked(directory)
    return []


def describe(process: psutil.Process) -> str:
    """`process 123 (/usr/bin/python3 -m rehearsal.kubelet)`."""
    with contextlib.suppress(psutil.Error):
        return f"process {process.pid} ({' '.join(process.cmdline()[:3])})"
    return f"process {process.pid}"


def leftovers(directory: RehearsalDirectory) -> list[str]:
    """What is there of a rehearsal: processes, its directory, its link. Empty after a full removal."""
    found = [describe(process) for process in marked(directory)]
    if directory.root.exists():
        found.append(f"directory {directory.root}")
    if directory.link is not None and directory.link.is_symlink():
        found.append(f"link {directory.link}")
    return found
