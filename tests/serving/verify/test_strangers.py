"""Who has no right is refused where Identity-Aware Proxy is declared; a rehearsal has none to ask."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from serving.checking.findings import Verdict
from tests.serving.verify.conftest import Scene, outcome
from tests.serving.verify.deployed import find
from tests.serving.verify.web import Reply, serving


@pytest.fixture
def declared(scene: Scene) -> Scene:
    find(scene.objects, "GCPBackendPolicy", "-pool")["spec"]["default"]["iap"] = {"enabled": True}
    return scene


@pytest.mark.parametrize(
    ("status", "verdict", "failure"),
    [(200, Verdict.FAIL, "not-refused"), (302, Verdict.PASS, ""), (401, Verdict.PASS, "")],
)
def test_on_the_cloud_a_request_without_a_token_must_be_refused(
    declared: Scene, status: int, verdict: Verdict, failure: str
) -> None:
    declared.answer = lambda *_: Reply(status, body=b"{}")
    worst = outcome(declared.report(), "strangers-refused").worst
    assert (worst.verdict, worst.failure) == (verdict, failure)


def test_in_a_rehearsal_it_is_said_that_nobody_was_asked(declared: Scene, tmp_path: Path) -> None:
    with serving(lambda *_: Reply(200, body=b"{}")) as server:
        declared.url, declared.load_balancer = server.url, tmp_path / "load-balancer.json"
        record = {"gateway": {"url": server.url, "hostname": None}, "gateways": [], "backends": []}
        declared.load_balancer.write_text(json.dumps(record), encoding="utf-8")
        worst = outcome(declared.report(), "strangers-refused").worst
    assert worst.verdict is Verdict.PASS
    assert worst.message.startswith("not asked")
