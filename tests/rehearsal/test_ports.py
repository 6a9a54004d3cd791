"""A claimed port is nobody else's, and the server's for which it was claimed."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest

from rehearsal import ports
from rehearsal.ports import PortError, claim

# Until its input ends, which it does with the test.
_HOLD = "import sys; from rehearsal.ports import claim; c = claim(); print(c.port, flush=True); sys.stdin.read()"


def only(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """Let no other port be tried."""
    monkeypatch.setattr(ports, "random", SimpleNamespace(sample=lambda *_: [port]))


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104
def test_a_claim_is_nobody_elses_and_the_server_gets_it(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = claim()
    only(monkeypatch, mine.port)
    with pytest.raises(PortError):
        claim()
    with contextlib.closing(socket.socket()) as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind((host, mine.port))
    # A server as the rehearsal's are: etcd, Envoy and the controllers all set SO_REUSEADDR.
    with contextlib.closing(socket.socket()) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((host, mine.port))
        server.listen()
        with socket.create_connection(("127.0.0.1", mine.port)), server.accept()[0]:
            pass
        mine.release()
        with pytest.raises(PortError):
            claim()
    # The connection above lingers in TIME_WAIT, which stops nobody.
    claim().release()


def test_another_process_sees_a_claim_until_the_kernel_takes_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-c", _HOLD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        only(monkeypatch, int(holder.stdout.readline()))
        with pytest.raises(PortError, match="no free TCP port"):
            claim()
        holder.kill()
        holder.wait()
        claim().release()
