"""What can't be asked is said so; everything ends in time; waiting ends when it serves and not before."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.target import Target
from serving.checking.findings import Check, Finding, Verdict, passed
from serving.live.context import Context
from serving.program.outputs import planned_outputs
from serving.verify import registry, run
from serving.verify.run import verify
from settings.document import find_environment
from tests.serving.verify import deployed
from tests.serving.verify.conftest import Scene, outcome
from tests.serving.verify.deployed import find, refuse
from tests.serving.verify.web import connection


def without_cluster(scene: Scene, kubeconfig: Path | None) -> Target:
    scene.kubernetes = False
    target = scene.target()
    return Target(target.where, target.outputs, kubeconfig, None)


def configuration(report: Any) -> set[tuple[Verdict, str]]:
    found = [item for item in report.outcomes if not item.check.traffic and item.check.name != "backends-healthy"]
    return {(item.verdict, item.worst.failure) for item in found}


def test_without_a_kubeconfig_nothing_is_guessed_and_traffic_decides(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "somewhere")
    target = without_cluster(scene, None)
    report = verify(target, request_seconds=20)
    assert configuration(report) == {(Verdict.UNKNOWN, "kubernetes-not-asked")}
    assert report.line == "serves; 20 of 26 checks could not ask"
    quick = verify(target, quick=True)
    assert quick.exit_code == 1
    assert quick.line.startswith("not known to serve: gateway-programmed: kubernetes-not-asked: ")


UNUSABLE = ["", "- 1", "a: [", "current-context: x", "{contexts: [], current-context: c}", "\x00"]


@pytest.mark.parametrize("content", UNUSABLE)
def test_a_broken_kubeconfig_is_no_answer_and_no_traceback(scene: Scene, content: str) -> None:
    kubeconfig = scene.folder / "broken"
    kubeconfig.write_text(content)
    report = verify(without_cluster(scene, kubeconfig), quick=True)
    assert configuration(report) == {(Verdict.UNKNOWN, "kubernetes-not-reachable")}


def test_an_api_server_that_is_gone_is_no_answer(scene: Scene) -> None:
    with scene.api.running(scene.folder) as kubeconfig:
        pass
    report = verify(without_cluster(scene, kubeconfig), quick=True)
    assert configuration(report) == {(Verdict.UNKNOWN, "kubernetes-not-reachable")}
    assert "refused" in outcome(report, "routes").worst.message


def test_an_api_server_that_takes_connections_and_says_nothing_costs_the_checks_their_time_only(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_limit", lambda _check, _context: 1.0)

    def say_nothing(_taken: socket.socket, over: threading.Event) -> None:
        over.wait()

    with connection(say_nothing) as url:
        kubeconfig = scene.folder / "hanging"
        config = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": url}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
        }
        kubeconfig.write_text(yaml.safe_dump(config))
        report = verify(without_cluster(scene, kubeconfig), quick=True)
    assert configuration(report) == {(Verdict.UNKNOWN, "time-is-up")}


def test_a_kind_that_may_not_be_read_is_no_answer_and_no_failure(scene: Scene) -> None:
    scene.api.refused.add("HTTPRoute")
    report = scene.report()
    worst = outcome(report, "routes").worst
    assert (worst.verdict, worst.failure) == (Verdict.UNKNOWN, "not-allowed-to-read")
    assert "httproutes is forbidden" in worst.message
    assert report.good
    assert not scene.report(quick=True).good


def test_an_object_without_the_form_it_should_have_is_no_traceback(scene: Scene) -> None:
    find(scene.objects, "HTTPRoute")["status"] = {"parents": [{"nothing": 1}]}
    worst = outcome(scene.report(quick=True), "routes").worst
    assert (worst.verdict, worst.failure) == (Verdict.UNKNOWN, "unexpected")


@pytest.fixture
def own_checks(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replace the checks by these functions, without pauses between the rounds."""

    def replace(**asks: Callable[[Context], Iterator[Finding]]) -> None:
        made = [
            Check(name, name, name, (), ask, traffic=True, proof=True, budget=0.5 if name == "hangs" else 20.0)
            for name, ask in asks.items()
        ]
        monkeypatch.setattr(run, "checks", lambda **_: made)
        monkeypatch.setattr(run, "_FIRST_PAUSE", 0.0)

    return replace


def target() -> Target:
    return Target("test", deployed.outputs(deployed.deployment(), "http://127.0.0.1:1"))


def sequence(*verdicts: Verdict) -> Callable[[Context], Iterator[Finding]]:
    """A check that finds these one after the other, the last one for ever."""
    left = list(verdicts)

    def ask(_context: Context) -> Iterator[Finding]:
        verdict = left.pop(0) if len(left) > 1 else left[0]
        yield Finding(verdict, "it", verdict.value, failure="" if verdict is Verdict.PASS else "no-route")

    return ask


def test_waiting_ends_as_soon_as_it_serves(own_checks: Callable[..., None]) -> None:
    own_checks(a=sequence(Verdict.PASS), b=sequence(Verdict.FAIL, Verdict.FAIL, Verdict.PASS))
    told: list[str] = []
    report = verify(target(), wait_seconds=600, progress=told.append)
    assert report.good
    assert [line for line in told if "waiting" in line] == [
        "waiting, 0:00 of 10:00: does not serve: b: no-route: it: fail"
    ]


def test_what_passed_early_must_still_pass_at_the_end(own_checks: Callable[..., None]) -> None:
    own_checks(
        a=sequence(Verdict.PASS, Verdict.FAIL, Verdict.PASS), b=sequence(Verdict.FAIL, Verdict.PASS, Verdict.PASS)
    )
    told: list[str] = []
    assert verify(target(), wait_seconds=600, progress=told.append).good
    assert any("a: no-route" in line for line in told)


def test_waiting_ends_when_its_time_is_up_and_without_wait_it_asks_once(own_checks: Callable[..., None]) -> None:
    own_checks(a=sequence(Verdict.FAIL, Verdict.PASS))
    assert not verify(target()).good
    own_checks(a=sequence(Verdict.FAIL))
    report = verify(target(), wait_seconds=0.2)
    assert (report.good, report.line) == (False, "does not serve: a: no-route: it: fail")


def test_a_check_without_end_is_left_behind_and_the_others_are_told(own_checks: Callable[..., None]) -> None:
    over = threading.Event()

    def hangs(_context: Context) -> Iterator[Finding]:
        over.wait()
        yield passed("it")

    own_checks(hangs=hangs, good=sequence(Verdict.PASS))
    report = verify(target())
    over.set()
    assert outcome(report, "hangs").worst.failure == "time-is-up"
    assert outcome(report, "good").verdict is Verdict.PASS


def test_a_check_names_only_failures_it_declares(scene: Scene) -> None:
    # Everything wrong at once: each check shows a failure of its own.
    scene.api.objects[:] = [item for item in scene.objects if item["kind"] != "Gateway"]
    scene.replicas.names = ["other"]
    report = scene.report()
    for item in report.outcomes:
        declared = {*item.check.failures, ""}
        assert {result.failure for result in item.findings} <= declared, item.check.name
    assert registry.checks(quick=True) == [item for item in registry.checks() if not item.traffic]


@pytest.mark.parametrize("environment", ["dev", "examples/external-tls.yaml", "examples/multi-host.yaml"])
def test_outputs_that_are_only_planned_say_everything_but_the_address(environment: str) -> None:
    outputs = planned_outputs(find_environment(environment))
    made = deployed.deployment(environment)
    declared = deployed.outputs(made, outputs.base_url)
    assert [(m.name, m.url, m.served_names) for m in outputs.models] == [
        (m.name, m.url, m.served_names) for m in declared.models
    ]
    assert outputs.base_url == made.base_url("unknown")


def test_what_is_known_to_be_wrong_is_asked_for_until_it_has_a_name(scene: Scene) -> None:
    refuse(find(scene.objects, "LLMInferenceService"), "Ready", "MinimumReplicasUnavailable", "no replica")
    target = scene.target()
    consequence = verify(target, quick=True, wait_seconds=1.5, until_named=True)
    assert (consequence.named, consequence.seconds >= 1.5) == (False, True)
    find(scene.objects, "Service", "-workload-svc")["spec"]["ports"][0]["appProtocol"] = "https"
    named = verify(target, quick=True, wait_seconds=600, until_named=True)
    assert named.line.startswith("does not serve: services: service-says-https: ")
