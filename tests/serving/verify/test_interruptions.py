"""A model without a ready server: since when, why, and for an hour afterwards how long it was."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from serving.checking.findings import Finding, Verdict
from serving.live.context import Context
from serving.verify.checks.interruptions import endpoints
from tests.serving.verify import deployed
from tests.serving.verify.conftest import Scene, outcome
from tests.serving.verify.deployed import Obj

MADE = deployed.deployment("dev")
MODEL = MADE.models[0].name
START = datetime(2026, 12, 1, 12, tzinfo=UTC)


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def server(number: int, ready: str | None, node: str = "n", deleted: str = "", **labels: str) -> Obj:
    labels = {"app.kubernetes.io/name": MODEL, "kserve.io/component": "workload", **labels}
    condition = {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": ready}
    metadata = {"name": f"{MODEL}-kserve-5d9f-{number:05d}", "namespace": MADE.namespace, "labels": labels}
    ending = {"deletionTimestamp": deleted, "deletionGracePeriodSeconds": 30} if deleted else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata | ending,
        "spec": {"nodeName": node},
        "status": {"conditions": [condition]},
    }


def stopped(pod: str, when: str, node: str = "n", message: str = "Stopping container main") -> Obj:
    about = {"kind": "Pod", "name": pod, "namespace": MADE.namespace}
    metadata = {"name": f"{pod}.{when}", "namespace": MADE.namespace}
    said = {"reason": "Killing", "message": message, "firstTimestamp": when, "source": {"host": node}}
    return {"apiVersion": "v1", "kind": "Event", "metadata": metadata, "involvedObject": about, **said}


def node(name: str, **spec: Any) -> Obj:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": spec}


@dataclass
class Cluster:
    """Lists of objects by kind, as a context asks for them."""

    held: list[Obj]
    models: list[Any] = field(default_factory=lambda: deployed.outputs(MADE, "http://x").models)
    namespace: str = MADE.namespace

    @property
    def cluster(self) -> Cluster:
        return self

    def objects(self, api_version: str, kind: str) -> list[Obj]:
        return [item for item in self.held if (item["apiVersion"], item["kind"]) == (api_version, kind)]


def found(*held: Obj) -> Finding:
    [finding] = endpoints(cast(Context, Cluster(list(held))))
    return finding


def test_a_drain_under_way_is_the_verdict_with_its_node_and_its_beginning(scene: Scene) -> None:
    """The evicted pod still answers what it has begun; its replacement waits for a node."""
    scene.objects[:] = [o for o in scene.objects if o["kind"] != "Pod" or "server" not in o["metadata"]["name"]]
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=40)
    ending = server(1, at(0), "node-a", deleted=(began + timedelta(seconds=30)).isoformat())
    scene.objects.extend([ending, server(2, None, ""), node("node-a", unschedulable=True)])
    report = scene.report(quick=True)
    assert outcome(report, "endpoints").worst.failure == "node-drained"
    assert report.line.startswith("does not serve: endpoints: node-drained: ")
    assert f"from {began:%H:%M:%S} UTC: pod {ending['metadata']['name']}, the last one, was stopped on" in report.line
    assert "node node-a, which is being drained" in report.line


def test_after_it_the_lost_seconds_are_a_warning_with_the_node_that_is_gone() -> None:
    ended = stopped(f"{MODEL}-kserve-5d9f-abcde", at(10), "node-a")
    said = found(server(2, at(75), "node-b"), ended, node("node-b"))
    assert (said.verdict, said.failure) == (Verdict.WARN, "was-away")
    assert "no ready endpoint for 65 s, from 12:00:10 UTC to 12:01:15" in said.message
    assert "on node node-a, which is gone" in said.message


def test_what_is_no_end_of_a_server_is_no_interruption() -> None:
    others = [
        stopped(f"{MODEL}-kserve-router-scheduler-5d9f-abcde", at(10)),
        stopped(f"other-{MODEL}-kserve-5d9f-abcde", at(10)),
        stopped(f"{MODEL}-kserve-5d9f-abcde", at(10), message="Container main failed startup probe, will be restarted"),
    ]
    assert found(server(1, at(20)), *others).verdict is Verdict.PASS
    never = found(server(1, None), *others)
    assert (never.failure, never.follows) == ("no-ready-endpoint", True)
    # The worker of a slice of several hosts answers nobody.
    worker = server(1, at(0), **{"leaderworkerset.sigs.k8s.io/worker-index": "1"})
    assert found(worker).failure == "no-ready-endpoint"


def test_a_model_that_is_scaled_to_nothing_says_so() -> None:
    metadata = {"name": f"{MODEL}-kserve", "namespace": MADE.namespace}
    asked = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": 0}}
    said = found(asked, stopped(f"{MODEL}-kserve-5d9f-abcde", at(10)))
    assert (said.failure, said.follows) == ("no-ready-endpoint", True) and "asked for" in said.message


@given(
    st.lists(st.integers(0, 900), min_size=1, max_size=4, unique=True),
    st.lists(st.integers(0, 900), min_size=1, max_size=4, unique=True),
)
def test_seconds_are_lost_exactly_where_the_last_server_stopped_before_the_next_was_ready(
    ends: list[int], ready: list[int]
) -> None:
    gone = [stopped(f"{MODEL}-kserve-5d9f-{n:05d}", at(second)) for n, second in enumerate(ends)]
    said = found(*gone, *(server(10 + n, at(second)) for n, second in enumerate(ready)), node("n"))
    lost = min(ready) - max(ends)
    assert (said.verdict is Verdict.WARN) == (lost > 0)
    assert lost <= 0 or f"for {lost} s" in said.message
