"""A model over two hosts: the real LeaderWorkerSet makes the group, and the leader answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal import kube
from tests.rehearsal.end_to_end.command import Rehearsal
from tests.rehearsal.end_to_end.conftest import copied
from tests.rehearsal.end_to_end.traffic import NAMESPACE, client_of, servers

pytestmark = pytest.mark.xdist_group("end to end")

_WORKER = "leaderworkerset.sigs.k8s.io/worker-index"


@pytest.fixture(scope="module")
def group(binaries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    for rehearsal in copied("examples/multi-host.yaml", tmp_path_factory.mktemp("group")):
        yield rehearsal.running()


def test_the_leader_answers_for_both_hosts(group: Rehearsal) -> None:
    pods = kube.list_objects(group.client, "v1", "Pod", NAMESPACE, label_selector=_WORKER)
    index = {pod["metadata"]["name"]: pod["metadata"]["labels"][_WORKER] for pod in pods}
    assert sorted(index.values()) == ["0", "1"]
    assert len({pod["spec"]["nodeName"] for pod in pods}) == 2
    for pod in pods:
        names = {item["name"] for container in pod["spec"]["containers"] for item in container.get("env") or ()}
        assert {"TPU_WORKER_ID", "TPU_WORKER_HOSTNAMES"} <= names
    # Only the leader is behind the load balancer.
    assert [index[name] for name in servers(group)] == ["0"]
    client = client_of(group)
    answer = client.chat("Hello")
    assert (answer.status_code, answer.json()["model"]) == (200, client.model)
    [streamed] = client.streams(["Hello"], tokens=500)
    assert (streamed.tokens, streamed.done) == (500, True)
