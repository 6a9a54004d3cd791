"""Replicas follow the load: the real KEDA and HorizontalPodAutoscaler, by what the real Prometheus has. Runs with
`make test-all`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import cluster as kube
from checks.environment import require
from manifests.scaling import API, scaled_object
from rehearsal import assets
from rehearsal.control_plane import processes
from settings import names
from settings.document import find_environment, read_document
from tests.everything import of_everything
from tests.rehearsal.end_to_end.command import Rehearsal, listening, serving, wait_until
from tests.rehearsal.end_to_end.conftest import copied
from tests.rehearsal.end_to_end.traffic import NAMESPACE, Streamed, Streaming, client_of, counted, servers

pytestmark = of_everything

MODEL, MOST, BUDGET = "qwen3-8b", 3, 16
# Of 16 streams a replica: four are wanted, of which there may be three; then one.
MANY, FEW, TOKENS = 50, 12, 200
# Seconds between two looks of the HorizontalPodAutoscaler, and for each a tenth more as its timer has.
LOOK = 16.5
MONITORING = "monitoring.googleapis.com/v1", "PodMonitoring", f"{MODEL}-picker", NAMESPACE


@dataclass
class Scaled:
    """A rehearsal with a model that scales; `replicas` and `chips` are the most that were seen at any time."""

    rehearsal: Rehearsal
    client: kube.DynamicClient
    replicas: int = 0
    chips: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Until `over`, with a client of its own."""
        client = self.rehearsal.client
        while not self.over.wait(0.2):
            nodes = kube.list_objects(client, "v1", "Node")
            self.chips = max(self.chips, sum(int(n["status"]["capacity"].get("google.com/tpu", 0)) for n in nodes))
            self.replicas = max(self.replicas, wanted(client))

    def object(self) -> dict[str, Any]:
        """The ScaledObject as the server has it."""
        found = kube.get(self.client, API, "ScaledObject", names.scaled_object(MODEL), NAMESPACE)
        assert found is not None
        return found

    def autoscaler(self) -> dict[str, Any]:
        """What KEDA made of it."""
        name = self.object()["status"]["hpaName"]
        found = kube.get(self.client, "autoscaling/v2", "HorizontalPodAutoscaler", name, NAMESPACE)
        assert found is not None
        return found

    def await_(self, condition: Callable[[], Any]) -> None:
        """Wait; what KEDA says is shown where it is in vain."""
        wait_until(condition, lambda: True, lambda: f"{self.object().get('status')} {self.autoscaler()}", 0.2)

    def without_metrics(self) -> bool:
        """Whether KEDA says so."""
        return any(c["type"] == "Fallback" and c["status"] == "True" for c in self.object()["status"]["conditions"])

    def serving(self, replicas: int) -> None:
        """Wait for so many servers, wanted and there."""

        def there() -> list[str]:
            rows = servers(self.rehearsal).items()
            return [pod for pod, row in rows if pod.startswith(MODEL) and row["healthy"]]

        self.await_(lambda: wanted(self.client) == replicas == len(there()))

    def answered(self) -> dict[str, float]:
        """How many requests each server has answered."""
        every = counted(self.rehearsal, "vllm:request_success_total")
        return {pod: count for pod, count in every.items() if pod.startswith(MODEL)}


def wanted(client: kube.DynamicClient) -> int:
    """Replicas of the workload."""
    found = kube.get(client, "apps/v1", "Deployment", names.workload(MODEL, False), NAMESPACE)
    assert found is not None
    return int(found["spec"]["replicas"])


def whole(seen: list[Streamed]) -> bool:
    """Whether every stream came to its end."""
    wrong = [one for one in seen if (one.status, one.tokens, one.done, one.error) != (200, TOKENS, True, "")]
    assert wrong == []
    return bool(seen)


@pytest.fixture(scope="module")
def scaled(binaries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scaled]:
    needed = ["prometheus", "keda-operator", "keda-adapter"]
    if missing := sorted({*needed} - {*assets.find(needed)}):
        pytest.skip(f"{', '.join(missing)} not found; `python -m rehearsal.assets {' '.join(missing)}` gets them")
    for made in copied("examples/autoscaling.yaml", tmp_path_factory.mktemp("scaling")):
        # A stream of some seconds: fifty of them leave the machine time for the rest.
        made.change(lambda c: c["tpu-serving:models"][0].update(environment={"REHEARSAL_TOKENS_PER_SECOND": "2"}))
        made.rehearse().succeeded()
        found = Scaled(made, made.client)
        thread = threading.Thread(target=found.watch)
        thread.start()
        try:
            yield found
        finally:
            found.over.set()
            thread.join()


def test_the_object_is_the_clouds_and_its_windows_are_short_here(scaled: Scaled) -> None:
    deployment = require(read_document(find_environment(str(scaled.rehearsal.file))))[0]
    declared = scaled_object(deployment, deployment.models[0])
    assert declared is not None
    there = scaled.object()["spec"]
    there["advanced"].pop("scalingModifiers", None)  # KEDA writes its defaults, here nothing
    assert there == declared["spec"]
    windows = declared["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    for way, rules in scaled.autoscaler()["spec"]["behavior"].items():
        assert rules["stabilizationWindowSeconds"] == windows[way]["stabilizationWindowSeconds"] // 25 > 0
    again = scaled.rehearsal.rehearse().succeeded()
    assert set(again["summary"]) == {"same"}
    of_keda = [one for one in processes.marked(scaled.rehearsal.directory) if one.name().startswith("keda-")]
    assert len(of_keda) == 2
    assert {host for one in of_keda for host, _ in listening(one)} == {"127.0.0.1"}


def test_replicas_follow_the_load_and_none_is_lost_without_metrics(scaled: Scaled) -> None:
    client = client_of(scaled.rehearsal)
    scaled.serving(1)
    with Streaming(client, MANY, TOKENS) as many:
        scaled.serving(MOST)
        monitoring = kube.get(scaled.client, *MONITORING)
        assert monitoring is not None
        kept = {key: value for key, value in monitoring["metadata"].items() if key in ("name", "namespace", "labels")}
        declared = {**monitoring, "metadata": kept}
        nobody = {"selector": {"matchLabels": {"app": "nobody"}}}
        kube.apply(scaled.client, {**declared, "spec": {**monitoring["spec"], **nobody}}, manager="test")
        scaled.await_(scaled.without_metrics)
    assert whole(many.seen)
    # Nothing runs any more, and for as long as it takes to be sure of that nobody takes a replica away.
    held = scaled.autoscaler()["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"] + 2 * LOOK
    until = time.monotonic() + held
    wait_until(lambda: time.monotonic() > until, lambda: wanted(scaled.client) == MOST, lambda: "one is lost", 1)
    report = serving("verify", str(scaled.rehearsal.file), "--format", "json").document
    [said] = [row for check in report["checks"] for row in check["results"] if row["failure"] == "metrics-missing"]
    assert said["message"].startswith("3 running")
    kube.apply(scaled.client, declared, manager="test")


def test_fifty_streams_over_a_scale_down_end_whole(scaled: Scaled) -> None:
    with Streaming(client_of(scaled.rehearsal), FEW, TOKENS) as few:
        before = scaled.answered()
        assert len(before) == MOST

        def all_serve() -> bool:
            now = scaled.answered()
            return all(now.get(pod, 0) > served for pod, served in before.items())

        scaled.await_(all_serve)
        scaled.serving(1)
        ended = len(few.seen)
        scaled.await_(lambda: len(few.seen) >= max(50, ended + FEW))
    assert whole(few.seen)
    assert not scaled.without_metrics()


def test_the_budget_of_chips_was_never_passed_and_nothing_is_left(scaled: Scaled) -> None:
    scaled.over.set()
    assert scaled.replicas == MOST
    assert 4 * MOST <= scaled.chips <= BUDGET
    scaled.rehearsal.down_leaves_nothing()
