"""monitoring.googleapis.com for KEDA: a proxy (HTTP CONNECT) that answers for that host itself, from the local Prometheus."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HOST = "monitoring.googleapis.com"
_ANSWER_SECONDS = 30.0


def server(certs: Path, port: int, prometheus: int, allowed: Callable[[str, str], bool]) -> ThreadingHTTPServer:
    """A proxy on `port`, bound and not yet running. `allowed` says whether an account may read a project's metrics."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certs / "tls.crt", certs / "tls.key")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_CONNECT(self) -> None:
            if self.path != f"{HOST}:443":
                self.send_error(403, f"a rehearsal has no {self.path}")
                return
            self.send_response(200, "Connection established")
            self.end_headers()
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
            self.close_connection = False

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            words = parts.path.split("/")  # /v1/projects/P/location/global/prometheus/api/v1/query
            if words[1:3] != ["v1", "projects"] or words[4:7] != ["location", "global", "prometheus"]:
                self.send_error(404)
            elif not allowed(self.headers.get("Authorization", "").removeprefix("Bearer "), words[3]):
                self.send_error(403, "Permission monitoring.timeSeries.list denied")
            else:
                self._forward(f"/{'/'.join(words[7:])}?{parts.query}")

        def _forward(self, path: str) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", prometheus, timeout=_ANSWER_SECONDS)
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.send_error(503, str(error))
                return
            finally:
                connection.close()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            """Nothing: KEDA has a log of its own."""

    made = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    made.daemon_threads = True
    return made
