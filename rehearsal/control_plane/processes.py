"""The processes of a rehearsal, found by their mark whatever became of their parents; how they are ended."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable, Iterator

import psutil

from rehearsal.directory import MARK, RehearsalDirectory

# Seconds within which the kernel ends a killed process of some gigabytes on a busy machine.
_KILL_LIMIT = 15.0


def marked(directory: RehearsalDirectory) -> list[psutil.Process]:
    """Every running process that carries this directory's mark, but this one and those that started it."""
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = (process for process in psutil.process_iter() if process.pid not in own)
    return [process for process in found if _mark(process) == str(directory.root)]


def is_marked(directory: RehearsalDirectory, pid: int) -> bool:
    """Whether this process runs and is the directory's: a process id may have been given to another one since."""
    try:
        return _mark(psutil.Process(pid)) == str(directory.root)
    except psutil.NoSuchProcess:
        return False


def _mark(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARK)
    except (psutil.Error, OSError):  # ended, a zombie, or another user's
        return None


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
    """SIGKILL to every marked process, until there is none; what can't be ended is returned.

    One that is being killed already has lost its mark but not yet its ports: it is waited for too.
    """
    for _ in range(3):
        found = marked(directory)
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        wait_gone([*(process.pid for process in found), *_dying()], _KILL_LIMIT)
        if not found:
            break
    return marked(directory)


def _dying() -> list[int]:
    """This user's processes that have given back their memory, command line and environment included, but not ended."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            of_user = process.uids().real == os.getuid() and process.ppid() != 2  # 2 is the parent of kernel threads
            if of_user and process.pid != 2 and not _has_command_line(process) and exists(process.pid):
                found.append(process.pid)
    return found


def _has_command_line(process: psutil.Process) -> bool:
    try:
        return bool(process.cmdline())
    except psutil.ZombieProcess:  # its first thread has ended
        return False


def describe(process: psutil.Process) -> str:
    """`process 123 (kube-apiserver)`."""
    with contextlib.suppress(psutil.Error):
        words = process.cmdline()
        modules = [words[index + 1] for index, word in enumerate(words[:-1]) if word == "-m"]
        return f"process {process.pid} ({modules[0] if modules else process.name()})"
    return f"process {process.pid}"


def listening(process: psutil.Process) -> Iterator[tuple[str, int]]:
    """The TCP addresses on which a process listens."""
    with contextlib.suppress(psutil.Error):
        for connection in process.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN:
                yield connection.laddr.ip, connection.laddr.port


def holder_of(address: tuple[str, int]) -> str | None:
    """Which rehearsal's directory and process listens on an address, as far as this user may see it."""
    for connection in psutil.net_connections("tcp4"):
        if connection.status == psutil.CONN_LISTEN and tuple(connection.laddr) == address and connection.pid:
            with contextlib.suppress(psutil.NoSuchProcess):
                directory = _mark(psutil.Process(connection.pid))
                return f"{directory or 'another program'}, process {connection.pid}"
    return None


def leftovers(directory: RehearsalDirectory) -> list[str]:
    """What is there of a rehearsal: processes, the ports they listen on, its directory. Empty after a full removal."""
    found = []
    for process in marked(directory):
        found.append(describe(process))
        found += [f"port {host}:{port} of process {process.pid}" for host, port in sorted(set(listening(process)))]
    if directory.root.exists():
        found.append(f"directory {directory.root}")
    if directory.link is not None and directory.link.is_symlink():
        found.append(f"link {directory.link}")
    return found
