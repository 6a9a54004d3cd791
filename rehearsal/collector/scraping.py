"""PodMonitorings and pods in Prometheus' own words, as the operator of managed Prometheus says them.

Source: GoogleCloudPlatform/prometheus-engine (2026-07) pkg/operator/apis/monitoring/v1/pod_config.go, scrape_config.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from catalog.picker_metrics import picker_metrics
from cluster.pods import pod_address

Json = dict[str, Any]


def job(monitoring: Json, endpoint: Json) -> str:
    """The name of a scrape job."""
    metadata = monitoring["metadata"]
    return f"PodMonitoring/{metadata['namespace']}/{metadata['name']}/{endpoint['port']}"


def file(folder: Path, monitoring: Json, endpoint: Json, suffix: str) -> Path:
    """A file of a job: `json` holds its targets, `token` what it says to them."""
    return folder / f"{job(monitoring, endpoint).replace('/', '.')}.{suffix}"


def token_of(endpoint: Json) -> Json | None:
    """The key of a Secret, `{name, key}`, that an endpoint asks for."""
    reference: Json | None = endpoint.get("authorization", {}).get("credentials", {}).get("secret")
    return reference


def endpoints(monitorings: Iterable[Json]) -> Iterator[tuple[Json, Json]]:
    """Every endpoint of every PodMonitoring, with it."""
    for monitoring in monitorings:
        for endpoint in monitoring["spec"]["endpoints"]:
            yield monitoring, endpoint


def configuration(monitorings: Iterable[Json], folder: Path) -> Json:
    """Prometheus' configuration; targets and tokens are in files of `folder`."""
    return {"scrape_configs": [_scraped(*pair, folder) for pair in endpoints(monitorings)]}


def _scraped(monitoring: Json, endpoint: Json, folder: Path) -> Json:
    interval = endpoint.get("interval", "1m")
    made: Json = {
        "job_name": job(monitoring, endpoint),
        "honor_timestamps": False,
        "scrape_interval": interval,
        "scrape_timeout": endpoint.get("timeout", interval),
        "metrics_path": endpoint.get("path", "/metrics"),
        "scheme": endpoint.get("scheme", "http"),
        "file_sd_configs": [{"files": [str(file(folder, monitoring, endpoint, "json"))]}],
        "metric_relabel_configs": [*_renamed(), *map(_snake, endpoint.get("metricRelabeling", ()))],
    }
    if token_of(endpoint):
        kind = endpoint["authorization"].get("type", "Bearer")
        path = file(folder, monitoring, endpoint, "token")
        made["authorization"] = {"type": kind, "credentials_file": str(path)}
    return made


def _snake(rule: Json) -> Json:
    """A rule of relabelling in the words of Prometheus."""
    return {re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", key): value for key, value in rule.items()}


def _renamed() -> Iterator[Json]:
    """The rehearsed picker's metrics get the deployed one's names."""
    for metric in picker_metrics().values():
        if not metric.was:
            continue
        suffix = "(_bucket|_sum|_count)" if metric.type == "histogram" else "()"
        for old, new in metric.relabel.items():
            for target, value in ((new, "$1"), (old, "")):
                of_it = {"source_labels": ["__name__", old], "regex": f"{metric.was};(.*)"}
                yield {**of_it, "target_label": target, "replacement": value}
        name = {"source_labels": ["__name__"], "target_label": "__name__"}
        yield {**name, "regex": f"{metric.was}{suffix}", "replacement": f"{metric.name}$1"}


def targets(monitoring: Json, endpoint: Json, pods: Iterable[Json], fixed: Mapping[str, str]) -> list[Json]:
    """What a job scrapes: one group a pod. `fixed`: the labels `project_id`, `location` and `cluster`."""
    metadata, wanted = monitoring["metadata"], monitoring["spec"]["selector"].get("matchLabels", {}).items()
    found = []
    for pod in pods:
        if pod["metadata"]["namespace"] != metadata["namespace"] or not wanted <= _labels(pod).items():
            continue
        status, port = pod.get("status") or {}, _port(pod, endpoint["port"])
        if port is None or not status.get("podIP") or status.get("phase") in ("Failed", "Succeeded"):
            continue
        number, container = port
        name = pod["metadata"]["name"]
        labels = {**fixed, "namespace": metadata["namespace"], "job": metadata["name"], "pod": name, **_controller(pod)}
        labels |= {"instance": f"{name}:{endpoint['port']}", **({"container": container} if container else {})}
        for row in monitoring["spec"].get("targetLabels", {}).get("fromPod", ()):
            labels |= {row.get("to", row["from"]): _labels(pod).get(row["from"], "")}
        host, real = pod_address(pod, number)
        found.append({"targets": [f"{host}:{real}"], "labels": labels})
    return sorted(found, key=lambda group: str(group["targets"]))


def _labels(pod: Json) -> dict[str, str]:
    return pod["metadata"].get("labels") or {}


def _port(pod: Json, wanted: int | str) -> tuple[int, str] | None:
    """Number and container of a named port. A number needs not be declared, and names no container."""
    if isinstance(wanted, int):
        return wanted, ""
    spec = pod["spec"]
    for container in (*spec["containers"], *spec.get("initContainers", ())):
        for port in container.get("ports", ()):
            if port.get("name") == wanted:
                return int(port["containerPort"]), str(container["name"])
    return None


def _controller(pod: Json) -> dict[str, str]:
    owner = next((one for one in pod["metadata"].get("ownerReferences", ()) if one.get("controller")), None)
    if owner is None:
        return {}
    kind, name = owner["kind"], owner["name"]
    if kind == "ReplicaSet" and "pod-template-hash" in _labels(pod):
        kind, name = "Deployment", re.sub(r"-[a-z0-9]+$", "", name)
    return {"top_level_controller_type": kind, "top_level_controller_name": name}
