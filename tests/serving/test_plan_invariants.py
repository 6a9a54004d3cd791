"""A manifest that breaks a rule is refused: by the program before anything is registered, and by `serving plan`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from components import tpu_node_pool
from manifests import route
from serving.cli import application
from serving.program import monitor
from serving.program.record import record
from settings.document import ROOT, read_document
from settings.refusal import RefusedError, render_path

DEV = ROOT / "Pulumi.dev.yaml"
PLACE = "HTTPRoute llm-serving/qwen2-5-3b-route: spec.rules[0].timeouts"


@pytest.fixture
def broken_route(monkeypatch: pytest.MonkeyPatch) -> None:
    """The route as KServe's preset writes it."""
    good = route.http_route

    def with_timeouts(*arguments: Any) -> dict[str, Any]:
        made = good(*arguments)
        made["spec"]["rules"][0]["timeouts"] = {"request": "0s"}
        return made

    monkeypatch.setattr(route, "http_route", with_timeouts)


@pytest.mark.usefixtures("broken_route")
def test_the_program_refuses_before_anything_is_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    register = monitor.RecordingMonitor.RegisterResource

    def spy(self: monitor.RecordingMonitor, request: Any) -> Any:
        seen.append(request.type)
        return register(self, request)

    monkeypatch.setattr(monitor.RecordingMonitor, "RegisterResource", spy)
    with pytest.raises(RefusedError) as refused:
        record(read_document(DEV))
    assert [(f.rule, render_path(f.path)) for f in refused.value.findings] == [("RT01", PLACE)]
    assert set(seen) <= {"pulumi:pulumi:Stack"}


@pytest.mark.usefixtures("broken_route")
def test_plan_shows_a_broken_manifest_as_a_refusal() -> None:
    done = CliRunner().invoke(application(), ["plan", "dev", "--format", "json"])
    assert done.exit_code == 2
    [refusal] = json.loads(done.stdout)["refusals"]
    assert (refusal["rule"], refusal["path"]) == ("RT01", PLACE)
    assert "GCPBackendPolicy" in refusal["fix"]
    assert refusal["source"]


def test_plan_shows_a_broken_resource_as_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    good: Any = tpu_node_pool.TpuNodePool._node_config
    labels = {"cloud.google.com/gke-tpu-topology": "2x2"}
    monkeypatch.setattr(tpu_node_pool.TpuNodePool, "_node_config", lambda *a: {**good(*a), "labels": labels})
    done = CliRunner().invoke(application(), ["plan", "dev", "--format", "json"])
    assert done.exit_code == 2
    assert [refusal["rule"] for refusal in json.loads(done.stdout)["refusals"]] == ["TP06"]
