"""Google's monitoring API as KEDA meets it: behind a proxy, over TLS, for an account that has the role."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from checks.environment import require
from manifests.scaling import server_address
from rehearsal.control_plane import certificates
from rehearsal.keda import monitoring
from settings.document import find_environment, read_document

DEPLOYMENT = require(read_document(find_environment("examples/autoscaling.yaml")))[0]
PROJECT = DEPLOYMENT.settings.project.id


class Prometheus(BaseHTTPRequestHandler):
    """Answers with what it was asked."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.path.encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def google(tmp_path: Path) -> Iterator[httpx.Client]:
    """A client that knows the rehearsal's authority and has the proxy; `viewer` may read the project."""
    certificates.make(tmp_path, "10.0.0.1")
    prometheus = ThreadingHTTPServer(("127.0.0.1", 0), Prometheus)

    def allowed(caller: str, project: str) -> bool:
        return (caller, project) == ("viewer", PROJECT)

    proxy = monitoring.server(tmp_path, 0, prometheus.server_port, allowed)
    for server in (prometheus, proxy):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    trusted = httpx.create_ssl_context(verify=str(tmp_path / "ca.crt"))
    with httpx.Client(proxy=f"http://127.0.0.1:{proxy.server_port}", verify=trusted) as client:
        yield client
    for server in (prometheus, proxy):
        server.shutdown()
        server.server_close()


def test_a_query_of_the_cloud_is_answered_from_prometheus_to_who_may_read(google: httpx.Client) -> None:
    query = f"{server_address(DEPLOYMENT)}/api/v1/query"
    answer = google.get(query, params={"query": "up"}, headers={"Authorization": "Bearer viewer"})
    assert (answer.status_code, answer.text) == (200, "/api/v1/query?query=up")
    assert google.get(query, headers={"Authorization": "Bearer other"}).status_code == 403
    assert google.get(query.replace(PROJECT, "other"), headers={"Authorization": "Bearer viewer"}).status_code == 403
    assert google.get(query.replace("/v1/projects/", "/v3/projects/")).status_code == 404
    with pytest.raises(httpx.ProxyError, match="403"):
        google.get("https://example.com")
