"""A web server of a test: answers by a function, or does with the connection whatever a function does."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One answer. `raw` gets the connection's file after the head and the event that says that the test is over."""

    status: int = 200
    kind: str = "application/json"
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    raw: Callable[[Any, threading.Event], None] | None = None

    @classmethod
    def json(cls, data: Any, status: int = 200) -> Reply:
        """A JSON answer."""
        return cls(status, body=json.dumps(data).encode())


Answer = Callable[[str, str, Any], Reply]


@dataclass(frozen=True)
class Server:
    """A running server; `requests` holds (method, path, body, headers) of each request."""

    url: str
    requests: list[tuple[str, str, Any, dict[str, str]]]
    over: threading.Event


@contextmanager
def serving(answer: Answer, context: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Serve on a free port of the loopback until the block ends."""
    requests: list[tuple[str, str, Any, dict[str, str]]] = []
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body are two writes: the second would wait 40 ms for the client's delayed acknowledgement.
        disable_nagle_algorithm = True

        def _handle(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            requests.append((self.command, self.path, body, dict(self.headers.items())))
            reply = answer(self.command, self.path, body)
            self.send_response(reply.status)
            self.send_header("content-type", reply.kind)
            for name, value in reply.headers:
                self.send_header(name, value)
            if reply.raw is None:
                self.send_header("content-length", str(len(reply.body)))
            else:
                self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(reply.body)
            if reply.raw is not None:
                self.wfile.flush()
                with suppress(OSError):
                    reply.raw(self.wfile, over)
                self.close_connection = True

        do_GET = do_POST = _handle  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            return

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.handle_error = lambda *_: None  # type: ignore[method-assign]
    httpd.daemon_threads = True
    if context is not None:
        httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        scheme = "https" if context else "http"
        yield Server(f"{scheme}://127.0.0.1:{httpd.server_address[1]}", requests, over)
    finally:
        over.set()
        httpd.shutdown()
        thread.join()
        httpd.server_close()


@contextmanager
def connection(handle: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """A server below HTTP: the function gets each connection. The URL."""
    over = threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))

    def one(taken: socket.socket) -> None:
        with taken, suppress(OSError):
            handle(taken, over)

    def accept() -> None:
        with suppress(OSError):
            while True:
                taken, _ = listening.accept()
                threading.Thread(target=one, args=(taken,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        over.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()
