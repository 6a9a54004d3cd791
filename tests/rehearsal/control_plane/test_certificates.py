"""Who may talk to whom in a control plane: egress proxy and etcd take the API server alone."""

from __future__ import annotations

import socket
import ssl

from tests.rehearsal.plane import Plane


def test_only_the_api_server_may_use_the_egress_proxy(plane: Plane) -> None:
    port = plane.directory.load_record().ports["egress-proxy"]
    context = ssl.create_default_context(cafile=str(plane.directory.certs / "ca.crt"))
    assert ask(context, port) == b""
    context.load_cert_chain(plane.directory.certs / "tls.crt", plane.directory.certs / "tls.key")
    answer = ask(context, port)
    assert answer.startswith(b"HTTP/1.1 502")
    assert answer.endswith(b"no Service has the address 8.8.8.8:443\n")


def test_etcd_takes_only_the_api_server(plane: Plane) -> None:
    record = plane.directory.load_record()
    for name in ("etcd", "etcd-peer"):
        context = ssl.create_default_context(cafile=str(plane.directory.certs / "ca.crt"))
        assert ask(context, record.ports[name], b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n") == b""


def ask(context: ssl.SSLContext, port: int, request: bytes = b"CONNECT 8.8.8.8:443 HTTP/1.1\r\n\r\n") -> bytes:
    """The answer of a server; empty where it ends the connection first."""
    try:
        with (
            socket.create_connection(("127.0.0.1", port), 30) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as tls,
        ):
            tls.sendall(request)
            answer = b""
            while chunk := tls.recv(4096):
                answer += chunk
            return answer
    except (ssl.SSLError, ConnectionError):
        return b""
