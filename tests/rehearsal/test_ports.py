"""A claimed port is nobody else's, and the server's for which it was claimed."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys

import pytest

from rehearsal.ports import claim

# Until its input ends, which it does with the test.
_HOLD = "import sys; from rehearsal.ports import claim; c = claim(); print(c.port, flush=True); sys.stdin.read()"


def listening(host: str, port: int) -> socket.socket:
    """A server as the rehearsal's are: etcd, Envoy and the controllers all set SO_REUSEADDR."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((host, port))
    made.listen()
    return made


def test_no_port_is_claimed_twice_not_even_by_name() -> None:
    claims = [claim() for _ in range(100)]
    try:
        assert len({item.port for item in claims}) == 100
        assert claim(claims[0].port).port != claims[0].port
    finally:
        for item in claims:
            item.release()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104
def test_the_server_gets_its_port_and_nobody_takes_it_from_a_listening_one(host: str) -> None:
    mine = claim()
    with contextlib.closing(socket.socket()) as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind((host, mine.port))
    with contextlib.closing(listening(host, mine.port)) as server:
        with socket.create_connection(("127.0.0.1", mine.port)), server.accept()[0]:
            pass
        mine.release()
        assert claim(mine.port).port != mine.port
    # The connection above lingers in TIME_WAIT, which stops nobody.
    again = claim(mine.port)
    assert again.port == mine.port
    again.release()


def test_another_process_sees_a_claim_until_the_kernel_takes_it_back() -> None:
    command = [sys.executable, "-c", _HOLD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        port = int(holder.stdout.readline())
        assert claim(port).port != port
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        mine = claim(port)
        assert mine.port == port
        mine.release()
