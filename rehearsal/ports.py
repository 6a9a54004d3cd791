"""TCP ports of a rehearsal's servers: claimed in the kernel, so that two programs never get the same one.

A claim is a socket that is bound and never listens. It is made without options, so that it fails where anybody has the
port; then it is opened up (SO_REUSEADDR), so that the server for which it was made may bind the port beside it. The
kernel gives it to nobody else meanwhile, not for outgoing connections either, and takes it back however the process
that holds the claim ends.
"""

from __future__ import annotations

import contextlib
import random
import socket

# Below Linux's range for outgoing connections (32768), so that those leave it alone from the start.
_RANGE = range(20000, 32000)
_TRIES = 1000
# Where the claims of all rehearsals of this machine meet; nothing connects to it, so it never lingers (TIME_WAIT).
_MEETING = "127.255.255.254"


class PortError(Exception):
    """No port is free; the message says why and what to do."""


class Claim:
    """A port that is this process's until `release`."""

    def __init__(self, port: int, sockets: contextlib.ExitStack) -> None:
        self.port = port
        self._sockets = sockets

    def release(self) -> None:
        """Give the port back."""
        self._sockets.close()


def claim() -> Claim:
    """A port on which nobody listens, on no address of this machine.

    Raises:
        PortError: none is free.
    """
    for port in random.sample(_RANGE, _TRIES):
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            meeting = _bound(stack, _MEETING, port, reuse=False)
            meeting.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # What a server that just ended leaves behind (TIME_WAIT) is no obstacle here, as it is none for the next one.
            _bound(stack, "0.0.0.0", port, reuse=True)  # noqa: S104
            return Claim(port, stack.pop_all())
    raise PortError(f"no free TCP port between {_RANGE.start} and {_RANGE.stop}; end what listens there")


def _bound(stack: contextlib.ExitStack, host: str, port: int, *, reuse: bool) -> socket.socket:
    made = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    if reuse:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((host, port))
    return made
