"""What Envoy is configured from while it runs: its own discovery protocol (xDS) over HTTP, answered in this process.

Not from files: each file that Envoy watches takes an inotify instance, of which a user has 128 for all programs together
(fs.inotify.max_user_instances). Envoy aborts when it gets none, and again at every start.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Kind = Literal["clusters", "endpoints", "routes", "listeners"]
# Kind -> name -> resource.
Resources = Mapping[Kind, Mapping[str, Mapping[str, Any]]]

CLUSTER = "discovery"
# Where everything that is discovered comes from.
SOURCE: Mapping[str, Any] = {
    "resource_api_version": "V3",
    "api_config_source": {
        "api_type": "REST",
        "transport_api_version": "V3",
        "cluster_names": [CLUSTER],
        # From one answer to the next question; also the pause before Envoy asks again for what it has refused.
        "refresh_delay": "0.1s",
        "request_timeout": "60s",
    },
}
# A question is answered when there is something new, or with "nothing new" after this time, seconds.
_PATIENCE = 20.0
_NOTHING_NEW = 304


class Discovery:
    """A server on loopback. It answers only to the Envoy that knows `token`: certificates' keys are among the answers."""

    def __init__(self) -> None:
        self.token = secrets.token_hex(16)
        self._resources: Resources = {}
        self._changed = threading.Condition()
        self._http = _Server(self)
        self.port = int(self._http.server_address[1])
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.1}, name="discovery", daemon=True
        )
        self._thread.start()

    def publish(self, resources: Resources) -> None:
        """Answer with these from now on; whoever waits for something new gets it."""
        with self._changed:
            self._resources = resources
            self._changed.notify_all()

    def answer(self, kind: Kind, request: Mapping[str, Any]) -> str | None:
        """The answer to a DiscoveryRequest, waiting until it differs from the version it names; None where it does not.

        A name that does not exist yet is waited for in the same way.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._news(kind, request) is not None, _PATIENCE)
            return self._news(kind, request)

    def _news(self, kind: Kind, request: Mapping[str, Any]) -> str | None:
        known = self._resources.get(kind)
        if known is None:
            return None
        wanted = request.get("resource_names") or sorted(known)
        if not known.keys() >= set(wanted):
            return None
        items = [known[name] for name in wanted]
        version = hashlib.sha256(json.dumps(items, sort_keys=True).encode()).hexdigest()[:16]
        return (
            None
            if request.get("version_info") == version
            else json.dumps({"version_info": version, "resources": items})
        )

    def end(self) -> None:
        """Stop listening. Envoy must have ended."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, discovery: Discovery) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.discovery = discovery

    def handle_error(self, request: Any, client_address: Any) -> None:
        """An Envoy that ends while it waits for an answer is nothing to report."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        kind = self.path.rpartition("discovery:")[2]
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if (request.get("node") or {}).get("id") != self.server.discovery.token:
            self._send(403, "")
            return
        text = self.server.discovery.answer(kind, request)  # type: ignore[arg-type]
        self._send(_NOTHING_NEW if text is None else 200, text or "")

    def _send(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Envoy's questions are no news."""
