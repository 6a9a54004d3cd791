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
from typing import Any

# Kind ("clusters", "endpoints", "routes", "listeners") -> name -> resource.
Resources = Mapping[str, Mapping[str, Mapping[str, Any]]]

# A question is answered when there is something new, or with "nothing new" after this time, seconds.
_PATIENCE = 20.0


class Discovery(ThreadingHTTPServer):
    """On loopback, at `server_port`. Answers only to who knows `token`: certificates' keys are among the answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.token, self._changed = secrets.token_hex(16), threading.Condition()
        self._resources: Resources = {}
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        self._thread.start()

    def publish(self, resources: Resources) -> None:
        """Answer with these from now on; whoever waits for something new gets it."""
        with self._changed:
            self._resources = resources
            self._changed.notify_all()

    def answer(self, kind: str, request: Mapping[str, Any]) -> str:
        """The answer to a DiscoveryRequest, waiting until it differs from the version it names; "" where it does not.

        A name that does not exist yet is waited for in the same way.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._news(kind, request), _PATIENCE)
            return self._news(kind, request)

    def _news(self, kind: str, request: Mapping[str, Any]) -> str:
        known = self._resources.get(kind)
        wanted = request.get("resource_names") or sorted(known or ())
        if known is None or not known.keys() >= set(wanted):
            return ""
        items = [known[name] for name in wanted]
        version = hashlib.sha256(json.dumps(items, sort_keys=True).encode()).hexdigest()[:16]
        answer = json.dumps({"version_info": version, "resources": items})
        return "" if request.get("version_info") == version else answer

    def end(self) -> None:
        """Stop listening. Envoy must have ended."""
        self.shutdown()
        self.server_close()
        self._thread.join()

    def handle_error(self, *_: object) -> None:
        """An Envoy that ends while it waits for an answer is nothing to report."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are two writes: the second would wait 40 ms for the client's delayed acknowledgement.
    disable_nagle_algorithm = True
    server: Discovery

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        allowed = (request.get("node") or {}).get("id") == self.server.token
        body = self.server.answer(self.path.rpartition("discovery:")[2], request).encode() if allowed else b""
        self.send_response(403 if not allowed else 200 if body else 304)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Envoy's questions are no news."""
