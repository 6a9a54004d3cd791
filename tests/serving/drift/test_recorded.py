"""Objects as a rehearsal's API server had them after `up` on 2026-11-27, managed fields included: no drift in them."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from serving.drift.findings import Action
from serving.drift.object_drift import object_drift
from tests.serving.drift.objects import Obj, designed, drifts, edit, policy

RECORDED: dict[str, Obj] = {
    pair["planned"]["kind"]: pair
    for pair in json.loads(Path(__file__).with_name("recorded.json").read_text(encoding="utf-8"))
}
# What KServe's controller and the token controller write by design.
DESIGNED = {
    "LLMInferenceService": {"kserve-llmisvc"},
    "Secret": {"kube-controller-manager"},
}
# A field of each that is planned.
FIELDS = {
    "LLMInferenceService": ("spec", "replicas"),
    "Gateway": ("spec", "gatewayClassName"),
    "HealthCheckPolicy": ("spec", "default", "config", "httpHealthCheck", "requestPath"),
    "HTTPRoute": ("metadata", "labels", "app.kubernetes.io/managed-by"),
    "Secret": ("metadata", "annotations", "kubernetes.io/service-account.name"),
}


@pytest.mark.parametrize("kind", RECORDED)
def test_an_object_that_nobody_changed_has_what_controllers_write_by_design_only(kind: str) -> None:
    planned, live = RECORDED[kind]["planned"], RECORDED[kind]["live"]
    found = list(object_drift(kind, planned, live, policy(planned)))
    assert drifts(found) == []
    assert {item.writer.manager for item in designed(found) if item.writer} == DESIGNED.get(kind, set())


@pytest.mark.parametrize("kind", RECORDED)
def test_one_changed_field_of_a_recorded_object_is_found(kind: str) -> None:
    planned, live = RECORDED[kind]["planned"], copy.deepcopy(RECORDED[kind]["live"])
    edit(live, FIELDS[kind], "changed")
    [finding] = drifts(object_drift(kind, planned, live, policy(planned)))
    assert (finding.path, finding.found, finding.refreshed) == (FIELDS[kind], "changed", Action.REVERT)
