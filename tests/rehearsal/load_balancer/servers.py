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

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
        else:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is part of the tests."""


@contextmanager
def serving(name: str, host: str = "127.0.0.1", port: int = 0) -> Iterator[Server]:
    """A running server."""
    http = _HttpServer((host, port), _Handler)
    server = Server(name, (host, int(http.server_address[1])))
    http.RequestHandlerClass = type("Handler", (_Handler,), {"played": server})
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
