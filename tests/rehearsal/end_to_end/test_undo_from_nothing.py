"""Field failures of a first `up`: no Gateway channel, no LeaderWorkerSet, no TPUs in the zone; then it serves.

One environment with a model over two hosts, each run going on where the one before had to stop.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import cluster as kube
from tests.everything import of_everything
from tests.rehearsal.end_to_end.command import Rehearsal, serving
from tests.rehearsal.end_to_end.conftest import copied
from tests.rehearsal.end_to_end.test_undo import await_verdict, run_undone
from tests.rehearsal.end_to_end.traffic import NAMESPACE, client_of, servers

MODEL, ZONE = "llama-70b", "us-central1-c"
WORKER = "leaderworkerset.sigs.k8s.io/worker-index"


@pytest.fixture(scope="module")
def two_hosts(binaries: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """A model over two hosts; not started."""
    yield from copied("examples/multi-host.yaml", tmp_path_factory.mktemp("hosts"))


def service_says(rehearsal: Rehearsal) -> str:
    conditions = ((rehearsal.service(MODEL) or {}).get("status") or {}).get("conditions") or []
    return "; ".join(f"{c.get('reason', '')} {c.get('message', '')}" for c in conditions if c["status"] != "True")


def events(rehearsal: Rehearsal, reason: str) -> list[dict[str, Any]]:
    found = kube.list_objects(rehearsal.client, "v1", "Event", NAMESPACE, field_selector=f"reason={reason}")
    return list(found)


@of_everything
def test_without_gateway_channel_there_is_no_class_and_up_stops_at_the_gate(two_hosts: Rehearsal) -> None:
    # LeaderWorkerSet needs no Gateway, and must not be there yet for the next test.
    document = run_undone(two_hosts, "CL01", "KS03")
    assert "gate-job: " in document["failure"]
    await_verdict(two_hosts, "CL01")
    with pytest.raises(kube.ResourceNotFoundError):
        kube.list_objects(two_hosts.client, "gateway.networking.k8s.io/v1", "GatewayClass")
    assert not any(
        r["type"] == "kubernetes:gateway.networking.k8s.io/v1:Gateway" for r in two_hosts.state()["resources"]
    )


def test_without_leader_worker_set_the_group_is_never_made(two_hosts: Rehearsal) -> None:
    run_undone(two_hosts, "KS03")
    await_verdict(two_hosts, "KS03")
    assert 'no matches for kind "LeaderWorkerSet" in version "leaderworkerset.x-k8s.io/v1"' in service_says(two_hosts)


@of_everything
def test_in_a_zone_without_tpus_up_ends_in_time_with_the_autoscalers_words(two_hosts: Rehearsal) -> None:
    done = two_hosts.rehearse("--stockout", ZONE)
    assert done.code == 1
    document = done.document
    assert MODEL in document["failure"]
    assert "timed out waiting for the condition" in document["failure"]
    assert document["verify"]["verdict"].startswith("does not serve: models-ready: model-without-nodes: ")
    said = [event["message"] for event in events(two_hosts, "FailedScaleUp")]
    assert any(f"Node scale up in zones {ZONE}" in text and "GCE out of resources" in text for text in said)


def test_with_all_of_them_the_leader_answers_for_both_hosts(two_hosts: Rehearsal) -> None:
    document = two_hosts.rehearse().succeeded()
    assert document["verify"]["verdict"] == "serves"
    pods = kube.list_objects(two_hosts.client, "v1", "Pod", NAMESPACE, label_selector=WORKER)
    index = {pod["metadata"]["name"]: pod["metadata"]["labels"][WORKER] for pod in pods}
    assert sorted(index.values()) == ["0", "1"]
    assert len({pod["spec"]["nodeName"] for pod in pods}) == 2
    for pod in pods:
        names = {item["name"] for container in pod["spec"]["containers"] for item in container.get("env") or ()}
        assert {"TPU_WORKER_ID", "TPU_WORKER_HOSTNAMES"} <= names
    # Only the leader is behind the load balancer.
    assert [index[name] for name in servers(two_hosts)] == ["0"]
    client = client_of(two_hosts)
    answer = client.chat("Hello")
    assert (answer.status_code, answer.json()["model"]) == (200, client.model)
    [streamed] = client.streams(["Hello"], tokens=500)
    assert (streamed.tokens, streamed.done) == (500, True)
    assert serving("verify", str(two_hosts.file), "--format", "json").code == 0
