"""Start a control plane as an ordinary user would, also where the tests run as root; and without any network.

`python -m tests.rehearsal.control_plane.unprivileged [--offline] DIR NAME=PATH...`
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from rehearsal.control_plane import start
from rehearsal.directory import RehearsalDirectory

_PR_CAPBSET_DROP = 24
_PR_CAPBSET_READ = 23
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1
_CLONE_NEWNET, _CLONE_NEWUSER = 0x40000000, 0x10000000


def start_unprivileged(directory: RehearsalDirectory, binaries: Mapping[str, Path]) -> None:
    """Start it from a process without capabilities."""
    run(directory, binaries)


def run(directory: RehearsalDirectory, binaries: Mapping[str, Path], *options: str) -> None:
    """Run this module; its failure is shown."""
    paths = [f"{name}={path}" for name, path in binaries.items()]
    command = [sys.executable, "-m", __name__, *options, str(directory.root), *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _drop_capabilities() -> None:
    """A program run after this has none, although its user is root. Nothing happens for other users."""
    libc = ctypes.CDLL(None)
    if os.geteuid() == 0:
        number = 0
        while libc.prctl(_PR_CAPBSET_READ, number, 0, 0, 0) >= 0:
            libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
            number += 1


def leave_the_network() -> bool:
    """Move this process where only a loopback interface is; False where the machine forbids it."""
    libc = ctypes.CDLL(None, use_errno=True)
    flags = _CLONE_NEWNET if os.geteuid() == 0 else _CLONE_NEWNET | _CLONE_NEWUSER
    if libc.unshare(flags) != 0:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))
    return True


def main() -> None:
    arguments = sys.argv[1:]
    if arguments[0] == "--offline":
        assert leave_the_network()
        arguments.pop(0)
    if arguments[0] != "--here":
        _drop_capabilities()
        os.execv(  # noqa: S606 - this program again
            sys.executable, [sys.executable, "-m", "tests.rehearsal.control_plane.unprivileged", "--here", *arguments]
        )
    _, path, *binaries = arguments
    start(
        RehearsalDirectory(Path(path)),
        {name: Path(value) for name, value in (item.split("=", 1) for item in binaries)},
        progress=lambda text: print(text, flush=True),
        stand_ins=(),
    )


if __name__ == "__main__":
    main()
