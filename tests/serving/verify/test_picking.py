"""Same-prefix probes: one replica's counters move, or the check says what moved instead."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from serving.checking.findings import Verdict
from serving.live.servers import metric_sums
from tests.serving.verify.conftest import Scene, outcome
from tests.serving.verify.model_server import Replicas


def test_probes_that_stick_pass(scene: Scene) -> None:
    worst = outcome(scene.report(), "picking").worst
    said = "100% of the hits on one of 3 replicas; the picker knew the prefix"
    assert (worst.verdict, worst.message) == (Verdict.PASS, said)


def test_probes_that_stick_by_luck_are_a_failure_where_the_picker_says_that_it_knew_nothing(scene: Scene) -> None:
    scene.replicas.scores = False
    worst = outcome(scene.report(), "picking").worst
    assert (worst.verdict, worst.failure) == (Verdict.FAIL, "picker-sees-no-prefix")


def test_a_picker_whose_page_is_refused_leaves_the_servers_counters_as_proof(scene: Scene) -> None:
    page = scene.replicas.page
    scene.answer = scene.replicas
    scene.api.pod_page = lambda pod: "" if pod.endswith("-picker") else page(pod)
    worst = outcome(scene.report(), "picking").worst
    assert worst.verdict is Verdict.PASS
    assert worst.message.endswith("; the picker's own counters can't be read")


def test_probes_that_go_round_are_a_failure_with_every_replicas_count(scene: Scene) -> None:
    turn = itertools.count()  # of the probes alone, for other checks ask at the same time
    scene.replicas = Replicas(scene.names, 3, pick=lambda _, prompt: next(turn) % 3 if len(prompt) > 1000 else 0)
    report = scene.report()
    worst = outcome(report, "picking").worst
    assert (worst.verdict, worst.failure) == (Verdict.FAIL, "prefix-spread")
    assert all(f"server-{number} " in worst.message for number in range(3))


def test_no_hits_at_all_have_a_name_of_their_own(scene: Scene) -> None:
    scene.api.pod_page = lambda _pod: "vllm:prefix_cache_hits_total 5.0\n"
    scene.answer = scene.replicas
    assert outcome(scene.report(), "picking").worst.failure == "no-prefix-hits"


def test_counters_that_nobody_can_read_are_no_failure(scene: Scene) -> None:
    scene.api.pod_page = lambda _pod: "# nothing\n"
    scene.answer = scene.replicas
    worst = outcome(scene.report(), "picking").worst
    assert (worst.verdict, worst.failure) == (Verdict.UNKNOWN, "counters-not-readable")


def test_one_replica_is_a_warning_and_serves(make: Callable[..., Scene]) -> None:
    report = make(environment="dev").report()
    assert outcome(report, "picking").worst.failure == "one-replica"
    assert report.good


def test_a_picker_that_promises_nothing_is_not_probed(scene: Scene) -> None:
    [model] = scene.target().outputs.models
    scene.changes["models"] = [model.model_copy(update={"scheduler": {"plugins": [{"type": "queue-scorer"}]}})]
    assert outcome(scene.report(), "picking").verdict is Verdict.PASS


def test_every_probe_begins_alike_and_no_two_runs_do(scene: Scene) -> None:
    prompts: list[str] = []

    def answer(method: str, path: str, body: Any) -> Any:
        if isinstance(body, dict) and body.get("max_tokens") == 1:
            prompts.append(body["messages"][0]["content"])
        return scene.replicas(method, path, body)

    scene.answer, scene.api.pod_page = answer, scene.replicas.page
    scene.report()
    scene.report()
    assert len({prompt.split("\n")[0] for prompt in prompts}) == 2
    assert len(set(prompts)) == len(prompts)


PAGES = [
    ("", None),
    ("vllm:prefix_cache_hits_total 3.0", 3.0),
    ('vllm:prefix_cache_hits_total{engine="0"} 3.0\nvllm:prefix_cache_hits_total{engine="1"} 4', 7.0),
    ("vllm:prefix_cache_hits_total_more 3.0", None),
]


@pytest.mark.parametrize(("page", "hits"), PAGES)
def test_counters_are_read_from_the_page(page: str, hits: float | None) -> None:
    assert metric_sums(page, ["vllm:prefix_cache_hits_total"]).get("vllm:prefix_cache_hits_total") == hits


def record(folder: Path, *healthy: bool, name: str = "qwen2-5-3b-inference-pool") -> Path:
    backends = [
        {
            "route": "r",
            "kind": "InferencePool",
            "name": name,
            "endpoint": f"127.65.0.{n}:8000",
            "healthy": h,
            "since": "t",
        }
        for n, h in enumerate(healthy)
    ]
    path = folder / "load-balancer.json"
    path.write_text(json.dumps({"gateway": {"address": "a", "port": 1, "url": ""}, "backends": backends}))
    return path


HEALTH = [
    ((True, True, True), Verdict.PASS, ""),
    ((True, False, True), Verdict.WARN, "backends-some-unhealthy"),
    ((False, False), Verdict.FAIL, "backends-unhealthy"),
    ((), Verdict.FAIL, "backends-missing"),
]


@pytest.mark.parametrize(("healthy", "verdict", "failure"), HEALTH)
def test_the_load_balancers_record_says_who_is_healthy(
    scene: Scene, healthy: tuple[bool, ...], verdict: Verdict, failure: str
) -> None:
    scene.load_balancer = record(scene.folder, *healthy)
    worst = outcome(scene.report(quick=True), "backends-healthy").worst
    assert (worst.verdict, worst.failure) == (verdict, failure)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"backends": [{}]}', '{"backends": 1}', '{"backends": [1]}'])
def test_a_record_that_is_none_is_no_traceback(scene: Scene, content: str) -> None:
    scene.load_balancer = scene.folder / "load-balancer.json"
    scene.load_balancer.write_text(content)
    assert outcome(scene.report(quick=True), "backends-healthy").worst.failure == "backends-missing"


def test_another_pools_backends_are_not_this_ones(scene: Scene) -> None:
    scene.load_balancer = record(scene.folder, True, name="other")
    assert outcome(scene.report(quick=True), "backends-healthy").worst.failure == "backends-missing"
