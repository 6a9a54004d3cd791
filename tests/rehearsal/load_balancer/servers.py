"""Small HTTP servers that play model servers, each on an address of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Server:
    """`statuses` overrides the status of a path; `seen` are method and path of the requests that it answered."""

    name: str
    address: tuple[str, int]
    statuses: dict[str, int] = field(default_factory=lambda: {"/": 404})
    seen: list[tuple[str, str]] = field(default_factory=list)

    def requests(self) -> list[str]:
        """Paths that were asked for, without health checks."""
        return [path for _, path in self.seen if path not in ("/", "/health")]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are two writes: the second would wait 40 ms for the client's delayed acknowledgement.
    disable_nagle_algorithm = True
    played: Server

    def do_GET(self) -> None:
        self.played.seen.append((self.command, self.path))
        told = str(self.headers).lower() if self.path == "/headers" else f"{self.played.name} {self.path}"
        body = told.encode()
        streams = self.path.startswith("/stream")
        self.send_response(self.played.statuses.get(self.path, 200))
        self.send_header(*(("Transfer-Encoding", "chunked") if streams else ("Content-Length", str(len(body)))))
        self.end_headers()
        end = time.monotonic() + (int(self.path.rpartition("=")[2]) if streams else 0)
        while time.monotonic() < end:
            self.wfile.write(b"5\r\ntick \r\n")
            time.sleep(0.1)
        self.wfile.write(b"3\r\nend\r\n0\r\n\r\n" if streams else body)

    def log_message(self, *_: object) -> None:
        pass


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is part of the tests."""


@contextmanager
def serving(name: str) -> Iterator[Server]:
    """A running server."""
    http = _HttpServer(("127.0.0.1", 0), _Handler)
    server = Server(name, ("127.0.0.1", int(http.server_address[1])))
    http.RequestHandlerClass = type("Handler", (_Handler,), {"played": server})
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
