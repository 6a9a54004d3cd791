"""ScaledObjects: of the workload that KServe makes, by its metrics or the clock, and nothing that fights KServe."""

from __future__ import annotations

from typing import Any

import pytest

from checks.environment import require
from manifests import scaling
from manifests.monitoring import picker_monitoring
from manifests.rendered import rendered
from settings.derive import GRACE_SECONDS, SHUTDOWN_SECONDS, Deployment
from settings.document import ROOT, Document, read_document
from settings.scheduled import asked_for
from settings.start import added_seconds

DATA = read_document(ROOT / "examples/autoscaling.yaml").data
DEPLOYMENT = require(read_document(ROOT / "examples/autoscaling.yaml"))[0]


def changed(**model: Any) -> Deployment:
    """The example with other keys of its first model, which is the only one."""
    first = {**DATA["models"][0], **model}
    return require(Document("autoscaling", "autoscaling", {**DATA, "models": [first]}))[0]


def scaled(deployment: Deployment, index: int = 0) -> Any:
    found = rendered(deployment).models[index].scaled_object
    assert found is not None
    return found


@pytest.mark.parametrize("tpu", [{"generation": "v6e", "topology": "2x2"}, {"generation": "v5p", "topology": "2x2x2"}])
def test_the_target_is_what_kserve_makes_and_the_name_is_not_one_that_it_deletes(tpu: dict[str, str]) -> None:
    overrides = [{"rule": "TP13", "reason": "a test of the target", "until": "2099-01-01"}]
    budget = {"chipBudget": 100}
    document = {**DATA, "models": [{**DATA["models"][0], "tpu": tpu}], "overrides": overrides, "capacity": budget}
    deployment = require(Document("autoscaling", "autoscaling", document))[0]
    found, group = scaled(deployment), deployment.multi_host
    target = found["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == (
        ("LeaderWorkerSet", "qwen3-8b-kserve-mn") if group else ("Deployment", "qwen3-8b-kserve")
    )
    assert found["metadata"]["name"] not in {"qwen3-8b-kserve-keda", "qwen3-8b-kserve-hpa", "qwen3-8b-kserve-va"}
    spec = rendered(deployment).models[0].service["spec"]
    assert not {"replicas", "scaling"} & set(spec), "KServe would write the number back"


def test_no_data_is_no_zero_and_takes_no_replica_away() -> None:
    spec = scaled(DEPLOYMENT)["spec"]
    assert spec["fallback"] == {"failureThreshold": 3, "replicas": 1, "behavior": "currentReplicasIfHigher"}
    for trigger in spec["triggers"]:
        assert trigger["metricType"] == "AverageValue"  # fallback works with no other but Value
        assert trigger["metadata"]["ignoreNullValues"] == "false"
        # Silence of a picker that is up is a zero; of one that is not scraped it is nothing.
        assert " or 0 * sum(up{" in trigger["metadata"]["query"] and "== 1)" in trigger["metadata"]["query"]


def test_a_query_names_one_picker_of_one_cluster() -> None:
    job = picker_monitoring(DEPLOYMENT, DEPLOYMENT.models[0])["metadata"]["name"]
    queries = [t["metadata"]["query"] for t in scaled(DEPLOYMENT)["spec"]["triggers"]]
    chosen = f'{{cluster="tpu-serving-autoscaling",location="us-east5",namespace="llm-serving",job="{job}"}}'
    assert all(query.count(chosen) == 2 for query in queries)
    assert [query.partition("{")[0] for query in queries] == [
        "sum(llm_d_epp_request_running",
        "sum(llm_d_epp_flow_control_queue_size",
    ]


def test_the_queue_is_counted_exactly_where_the_picker_has_one() -> None:
    for queue in (0, 2):
        deployment = changed(scaling={"min": 1, "max": 2, "queuePerReplica": queue})
        config = rendered(deployment).models[0].service["spec"]["router"]["scheduler"]["config"]["inline"]
        triggers = [trigger["name"] for trigger in scaled(deployment)["spec"]["triggers"]]
        assert ("flowControl" in config.get("featureGates", [])) == (queue > 0) == ("queue" in triggers)
        assert "running" in triggers


def test_windows_are_as_long_as_a_start() -> None:
    behavior = scaled(DEPLOYMENT)["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    windows = tuple(behavior[way]["stabilizationWindowSeconds"] for way in ("scaleUp", "scaleDown"))
    assert windows == added_seconds(DEPLOYMENT.models[0]) == (395, 1404)
    assert max(windows) <= 3600


def test_a_schedule_asks_for_chips_before_the_hour_and_goes_to_none_at_its_end() -> None:
    spec = scaled(DEPLOYMENT, 1)["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"], spec["cooldownPeriod"]) == (0, 2, 0)
    [trigger] = spec["triggers"]
    wanted = {"timezone": "Europe/Berlin", "start": "37 6 * * 1-5", "end": "0 20 * * 1-5", "desiredReplicas": "2"}
    assert (trigger["type"], trigger["metadata"]) == ("cron", wanted)
    assert asked_for(DEPLOYMENT.models[1], "0 7 * * 1-5") == "37 6 * * 1-5"


def test_a_replica_that_is_taken_away_ends_its_answers_first() -> None:
    """vLLM ends what runs after SIGTERM (--shutdown-timeout); the pod is not killed before that, and KEDA says nothing else."""
    for model in rendered(DEPLOYMENT).models:
        pod = model.service["spec"]["template"]
        assert pod["terminationGracePeriodSeconds"] == GRACE_SECONDS > SHUTDOWN_SECONDS
        [server] = pod["containers"]
        assert f"--shutdown-timeout={SHUTDOWN_SECONDS}" in server["args"]
        budget = model.disruption_budget
        assert budget is not None and budget["spec"]["maxUnavailable"] == 1


def test_only_scaling_by_load_may_read_metrics() -> None:
    access = scaling.metrics_access(DEPLOYMENT)
    assert access is not None and access.role == "roles/monitoring.viewer"
    assert access.member.endswith("/subject/ns/keda/sa/keda-operator")
    assert access.authentication["spec"] == {"podIdentity": {"provider": "gcp"}}
    clock = {"schedule": [{"from": "0 7 * * *", "to": "0 9 * * *", "timezone": "UTC", "replicas": 1}], "otherwise": 0}
    by_clock = changed(scaling=clock)
    assert scaling.metrics_access(by_clock) is None and rendered(by_clock).platform.keda is not None
