"""A local HTTPS server that plays the pod of a webhook: it refuses objects labelled `deny`."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import trustme


def admission(request: dict[str, Any]) -> dict[str, Any]:
    labels = request["object"]["metadata"].get("labels") or {}
    answer = {"uid": request["uid"], "allowed": "deny" not in labels, "status": {"message": "refused by the webhook"}}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
        self.server.paths.append(self.path)  # type: ignore[attr-defined]
        body = json.dumps(admission(request)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        return


@dataclass(frozen=True)
class Webhook:
    """Where the server listens, its certificate, and the paths it was asked for."""

    port: int
    authority: bytes
    paths: list[str]


@contextmanager
def serving(name: str) -> Iterator[Webhook]:
    """The server with a certificate for the DNS name `name`, on a free loopback port."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.paths = []  # type: ignore[attr-defined]
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Webhook(server.server_address[1], authority.cert_pem.bytes(), server.paths)  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()
