"""Ending connections of another process: Envoy itself lets a request end in peace whatever becomes of its endpoint."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import sys
from collections.abc import Collection

import psutil

from rehearsal.control_plane.services import Address

# asm-generic/unistd.h
_PIDFD_GETFD = 438


def cut(pid: int, addresses: Collection[Address]) -> None:
    """Shut every connection of a child process to these addresses. Only Linux can do it; elsewhere they stay."""
    if sys.platform != "linux" or not addresses:
        return
    with contextlib.suppress(psutil.Error, OSError):
        opened = [
            item.fd
            for item in psutil.Process(pid).net_connections("tcp4")
            if item.raddr and tuple(item.raddr) in addresses
        ]
        process = os.pidfd_open(pid)
        try:
            for number in opened:
                _shut(process, number, addresses)
        finally:
            os.close(process)


def _shut(process: int, number: int, addresses: Collection[Address]) -> None:
    copy = ctypes.CDLL(None, use_errno=True).syscall(_PIDFD_GETFD, process, number, 0)
    if copy < 0:  # closed meanwhile
        return
    with contextlib.suppress(OSError), socket.socket(fileno=copy) as connection:
        # The number may stand for another connection by now.
        if connection.getpeername() in addresses:
            connection.shutdown(socket.SHUT_RDWR)
