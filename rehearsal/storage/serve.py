"""One HTTP server in front of all three: what is asked is told by the path."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from rehearsal.storage.buckets import Answer, Buckets, Request, error
from rehearsal.storage.hub import Hub

_TOKEN = ("computeMetadata", "v1", "instance", "service-accounts", "default", "token")


class Services:
    """Buckets, Hub and metadata server. A token is the name of its account, `NAMESPACE/NAME`."""

    def __init__(self, buckets: Buckets, hub: Hub) -> None:
        self.buckets, self.hub = buckets, hub

    def answer(self, request: Request) -> Answer:
        """The answer to any request. The metadata server's address names the pod's account before the path."""
        if request.path[-len(_TOKEN) :] == _TOKEN:
            account = "/".join(request.path[: -len(_TOKEN)])
            return Answer(200, {"access_token": account, "expires_in": 3600, "token_type": "Bearer"})
        if request.path[:1] in {("storage",), ("upload",)}:
            return self.buckets.answer(request)
        return self.hub.answer(request) or error(404, "Not Found")


def server(services: Services, host: str, port: int) -> ThreadingHTTPServer:
    """An HTTP server, bound and not yet running."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body are two writes: the second would wait 40 ms for the client's delayed acknowledgement.
        disable_nagle_algorithm = True

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(
                self.command,
                tuple(unquote(part) for part in parts.path.strip("/").split("/")),
                dict(parse_qsl(parts.query, keep_blank_values=True)),
                self.headers,  # type: ignore[arg-type]
                body,
                self.headers.get("Authorization", "").removeprefix("Bearer "),
            )
            answer = services.answer(request)
            text = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(text)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)
            self.close_connection = answer.headers.get("Connection") == "close"

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815

        def log_message(self, *_arguments: Any) -> None:
            """Nothing: pods have logs of their own."""

    made = ThreadingHTTPServer((host, port), Handler)
    made.daemon_threads = True
    return made
