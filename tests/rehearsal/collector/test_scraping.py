"""PodMonitorings become what the collector of managed Prometheus makes of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import yaml

from catalog.picker_metrics import picker_metrics
from cluster.pods import PORTS_ANNOTATION
from manifests.monitoring import READER, picker_monitoring, server_monitoring
from rehearsal.assets import module_dir
from rehearsal.collector import scraping
from rehearsal.collector.state import StateMetrics
from tests.manifests.test_manifests import DEPLOYMENTS

FIXED = {"project_id": "p", "location": "europe-west4", "cluster": "c"}
DEPLOYMENT = next(iter(DEPLOYMENTS.values()))
MODEL = DEPLOYMENT.models[0]
PICKER, SERVER = picker_monitoring(DEPLOYMENT, MODEL), server_monitoring(DEPLOYMENT, MODEL)


def pod(monitoring: dict[str, Any], **status: str) -> dict[str, Any]:
    owner = {"kind": "ReplicaSet", "name": "it-kserve-router-scheduler-7d9f", "controller": True}
    return {
        "metadata": {
            "name": "it-1",
            "namespace": DEPLOYMENT.namespace,
            "labels": {**monitoring["spec"]["selector"]["matchLabels"], "pod-template-hash": "7d9f"},
            "annotations": {PORTS_ANNOTATION: json.dumps({"9090": "127.0.0.1:20001"})},
            "ownerReferences": [owner],
        },
        "spec": {"containers": [{"name": "main", "ports": [{"name": "metrics", "containerPort": 9090}]}]},
        "status": {"podIP": "127.65.0.10", "phase": "Running", **status},
    }


def targets(monitoring: dict[str, Any], *pods: dict[str, Any]) -> list[dict[str, Any]]:
    return scraping.targets(monitoring, monitoring["spec"]["endpoints"][0], pods, FIXED)


def test_a_pod_of_a_monitoring_is_scraped_where_it_listens_with_the_collectors_labels() -> None:
    [group] = targets(PICKER, pod(PICKER))
    assert group["targets"] == ["127.0.0.1:20001"]
    controller = {"top_level_controller_type": "Deployment", "top_level_controller_name": "it-kserve-router-scheduler"}
    name = {"pod": "it-1", "instance": "it-1:metrics", "job": PICKER["metadata"]["name"], "container": "main"}
    assert group["labels"] == {**FIXED, **name, **controller, "namespace": DEPLOYMENT.namespace, "model": MODEL.name}
    [numbered] = targets(SERVER, pod(SERVER))
    assert numbered["targets"] == ["127.65.0.10:8000"]
    assert "container" not in numbered["labels"]


def test_what_no_longer_runs_or_is_not_selected_is_not_scraped() -> None:
    assert targets(PICKER, pod(SERVER), pod(PICKER, phase="Failed"), pod(PICKER, podIP="")) == []


def test_a_job_has_the_endpoints_interval_and_says_the_token_of_its_secret(tmp_path: Path) -> None:
    first, second = scraping.configuration([PICKER, SERVER], tmp_path)["scrape_configs"]
    assert (first["scrape_interval"], first["scrape_timeout"], first["metrics_path"]) == ("15s", "15s", "/metrics")
    file = scraping.file(tmp_path, PICKER, PICKER["spec"]["endpoints"][0], "token")
    assert first["authorization"] == {"type": "Bearer", "credentials_file": str(file)}
    assert scraping.token_of(PICKER["spec"]["endpoints"][0]) == {"name": READER, "key": "token"}
    assert "authorization" not in second
    environment = {"action": "replace", "target_label": "environment", "replacement": DEPLOYMENT.name}
    assert first["metric_relabel_configs"][-1] == second["metric_relabel_configs"][-1] == environment
    assert yaml.safe_load(yaml.safe_dump([first, second])) == [first, second]


def test_the_rehearsed_picker_has_every_metric_that_is_renamed() -> None:
    source = ""
    for path in (module_dir("inference-extension") / "pkg/epp/metrics").rglob("*.go"):
        source += path.read_text(encoding="utf-8")
    known = {"inference_objective", "inference_pool", "inference_extension"}
    for metric in filter(lambda one: one.was, picker_metrics().values()):
        [prefix] = [one for one in known if metric.was.startswith(one)]
        assert re.search(rf'"({metric.was}|{metric.was.removeprefix(f"{prefix}_")})"', source), metric.was
        assert set(metric.relabel.values()) <= set(metric.labels)
        assert metric.name.endswith("_total") == (metric.type == "counter")


def test_a_pod_that_finds_no_node_has_a_series_and_no_other_has() -> None:
    def waiting(name: str, reason: str) -> dict[str, Any]:
        scheduled = {"type": "PodScheduled", "status": "False", "reason": reason}
        return {"metadata": {"name": name, "namespace": "n", "uid": "u"}, "status": {"conditions": [scheduled]}}

    pods = [
        waiting("a", "Unschedulable"),
        waiting("b", "SchedulingGated"),
        {"metadata": {"name": "c", "namespace": "n"}},
    ]
    served = StateMetrics(lambda: pods).job({"cluster": "c"})
    [target] = served["static_configs"][0]["targets"]
    text = httpx.get(f"http://{target}/metrics", trust_env=False).text
    assert text.splitlines()[1:] == ['kube_pod_status_unschedulable{namespace="n",pod="a",uid="u"} 1']
