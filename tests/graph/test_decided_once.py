"""Four values followed from the file to objects, outputs, plan, rules and drift: changed where they are decided, all follow."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from catalog.tpu import find_shape
from checks.objects import context_of
from serving.drift.google import _backend_wanted
from serving.plan.document import document
from serving.plan.invariants import findings
from serving.plan.plan import Plan
from serving.plan.text import render_text
from settings import derive, names
from settings.document import ROOT, read_document
from settings.served import ServedModel
from settings.text import parse_duration
from tests.graph.planning import of_kind, plan_document


def planned_dev() -> Plan:
    return plan_document(read_document(ROOT / "Pulumi.dev.yaml"))


def test_the_request_timeout_is_decided_in_served_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """verify and bench read the outputs; drift compares with the objects."""
    written = str(planned_dev().deployment.models[0].answer_seconds)
    monkeypatch.setattr(ServedModel, "answer_seconds", property(lambda _: 4321))
    plan = planned_dev()
    policies: list[dict[str, Any]] = [r.inputs["spec"]["default"] for r in of_kind(plan, "GCPBackendPolicy")]
    assert {policy["timeoutSec"] for policy in policies} == {4321}
    assert {_backend_wanted(policy)["timeoutSec"] for policy in policies} == {4321}
    assert {model["answerTimeoutSeconds"] for model in plan.graph.recording.outputs["models"]} == {4321}
    assert set(context_of(plan.deployment).answer_seconds.values()) == {4321}
    said = render_text(plan, io.StringIO(), False)
    assert "request timeout 4321 s" in said
    assert f"{written} s" not in said


def test_the_topology_is_decided_where_the_shape_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file says 2x2, the deployment 2x4: nothing else looks at the file again."""
    assert "2x2" in json.dumps(document(planned_dev()).as_json())
    monkeypatch.setattr(derive, "find_shape", lambda *_: find_shape("v6e", "2x4"))
    plan = planned_dev()
    assert "2x2" not in json.dumps(document(plan).as_json())
    assert {model["topology"] for model in document(plan).as_json()["models"]} == {"2x4"}
    [service] = of_kind(plan, "LLMInferenceService")
    assert service.inputs["spec"]["template"]["nodeSelector"]["cloud.google.com/gke-tpu-topology"] == "2x4"
    assert findings(plan.deployment, plan.graph) == []


def test_the_startup_timeout_is_decided_in_served_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probe, engine, rules and plan; verify and drift compare with the objects."""
    monkeypatch.setattr(ServedModel, "startup_budget_seconds", property(lambda _: 7770))
    plan = planned_dev()
    [service] = of_kind(plan, "LLMInferenceService")
    probe = service.inputs["spec"]["template"]["containers"][0]["startupProbe"]
    assert probe["failureThreshold"] * probe["periodSeconds"] == 7770
    assert parse_duration(service.timeouts["create"]) == plan.deployment.models[0].ready_timeout_seconds > 7770
    assert {model["startupBudgetSeconds"] for model in document(plan).as_json()["models"]} == {7770}
    assert set(context_of(plan.deployment).startup_seconds.values()) == {7770}
    assert findings(plan.deployment, plan.graph) == []


def test_the_name_of_the_pool_is_composed_in_names_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Route, policies, outputs and rules; verify reads the outputs."""
    monkeypatch.setattr(names, "inference_pool", lambda model: f"{model}-elsewhere")
    plan = planned_dev()
    [pool] = {f"{model.name}-elsewhere" for model in plan.deployment.models}
    rules = [rule for route in of_kind(plan, "HTTPRoute") for rule in route.inputs["spec"]["rules"]]
    routed = {ref["name"] for rule in rules for ref in rule["backendRefs"] if ref["kind"] == "InferencePool"}
    targets = [
        r.inputs["spec"]["targetRef"] for k in ("GCPBackendPolicy", "HealthCheckPolicy") for r in of_kind(plan, k)
    ]
    assert routed == {target["name"] for target in targets if target["kind"] == "InferencePool"} == {pool}
    assert {model["inferencePool"] for model in plan.graph.recording.outputs["models"]} == {pool}
    assert set(context_of(plan.deployment).answer_seconds) == {pool}
