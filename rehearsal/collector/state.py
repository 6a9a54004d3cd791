"""Kube state metrics as GKE collects them in a cluster with the component POD: pods that find no node."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]


def page(pods: list[Json]) -> str:
    """The page of metrics (kube-state-metrics, docs/metrics/workload/pod-metrics.md); a pod with a node has no series."""
    rows = ["# TYPE kube_pod_status_unschedulable gauge"]
    for pod in pods:
        conditions = (pod.get("status") or {}).get("conditions") or ()
        if any(one["type"] == "PodScheduled" and one.get("reason") == "Unschedulable" for one in conditions):
            own = pod["metadata"]
            labels = f'namespace="{own["namespace"]}",pod="{own["name"]}",uid="{own["uid"]}"'
            rows.append(f"kube_pod_status_unschedulable{{{labels}}} 1")
    return "\n".join([*rows, ""])


class StateMetrics:
    """Serves the page on a port of loopback."""

    def __init__(self, pods: Callable[[], list[Json]]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = page(pods()).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """The supervisor's log is none of requests."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def job(self, fixed: dict[str, str]) -> Json:
        """What Prometheus scrapes it by; the namespace is that of the pod."""
        targets = [f"127.0.0.1:{self._server.server_port}"]
        return {
            "job_name": "kube-state-metrics",
            "honor_labels": True,
            "scrape_interval": "15s",
            "static_configs": [{"targets": targets, "labels": fixed}],
        }
