"""The annotations: what a program waits for, how long, and how it deletes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.kubernetes import overrides
from providers.kubernetes.jsonpath import JsonPath, JsonPathError
from rehearsal.plugins.frame import ProviderError

Json = dict[str, Any]
DOCUMENT: Json = {
    "status": {
        "phase": "Running",
        "conditions": [{"type": "Failed", "status": "False"}, {"type": "Complete", "status": "True", "n": 3}],
        "addresses": [{"value": "10.0.0.1"}, {"value": "10.0.0.2"}],
        "a.b": 1,
    }
}


def annotated(value: str = "", key: str = overrides.WAIT_FOR, **status: Any) -> Json:
    return {"metadata": {"generation": 3, "annotations": {key: value} if value else {}}, "status": status}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$.status.phase", ["Running"]),
        ("$['status'][\"phase\"]", ["Running"]),
        ("$.status['a.b']", [1]),
        ("$.status.addresses[0].value", ["10.0.0.1"]),
        ("$.status.addresses[-1].value", ["10.0.0.2"]),
        ("$.status.addresses[*].value", ["10.0.0.1", "10.0.0.2"]),
        ("$.status.addresses[0,1].value", ["10.0.0.1", "10.0.0.2"]),
        ("$.status.addresses[1:].value", ["10.0.0.2"]),
        ("$.status.addresses[::-1].value", ["10.0.0.2", "10.0.0.1"]),
        ("$..value", ["10.0.0.1", "10.0.0.2"]),
        ("$.status.conditions[?(@.type=='Failed'||@.type=='Complete')].status", ["False", "True"]),
        ("$.status.conditions[?@.type == 'Complete' && @.status == 'True'].n", [3]),
        ("$.status.conditions[?@.n].type", ["Complete"]),
        ("$.status.conditions[?!@.n].type", ["Failed"]),
        ("$.status.conditions[?@.n >= 3].type", ["Complete"]),
        ("$.status.conditions[?@.n < '4'].type", []),
        ("$.status.conditions[?@.missing != 1].type", ["Failed", "Complete"]),
        ("$.status[?@ == $.status.phase]", ["Running"]),
        ("$.status.none", []),
        ("$.status.addresses[9]", []),
    ],
)
def test_jsonpath_selects_as_the_standard_says(path: str, found: list[Any]) -> None:
    assert JsonPath(path).select(DOCUMENT) == found


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("status", "unexpected 'status' at position 1"),
        ("$.", "unexpected end"),
        ("$.a[", "unexpected end"),
        ("$.a[0", "unexpected end"),
        ("$.a[0.5]", "unexpected '0.5' at position 5"),
        ("$.a]", "unexpected ']' at position 4"),
        ("$.a[?length(@) > 1]", "unexpected 'length' at position 6"),
        ("$.a#", "unexpected '#' at position 4"),
    ],
)
def test_what_is_no_jsonpath_is_said_with_its_place(path: str, message: str) -> None:
    with pytest.raises(JsonPathError) as error:
        JsonPath(path)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("expression", "met"),
    [
        ("condition=Complete", True),
        ("condition=complete=true", True),
        ("condition=Failed", False),
        ("condition=Failed=False", True),
        ("condition=Ready", False),
        ("jsonpath={.status.phase}", True),
        ("jsonpath={ .status.phase }=Running", True),
        ("jsonpath={.status.phase}=Pending", False),
        ("jsonpath={.status.conditions[?(@.type=='Complete')].status}=True", True),
        ("jsonpath={.status.conditions[1].n}=3", True),
        ("jsonpath={.status.conditions}", True),
        ("jsonpath={.status.none}", False),
        ('["condition=Complete", "jsonpath={.status.phase}=Running"]', True),
        ('["condition=Complete", "jsonpath={.status.phase}=Pending"]', False),
    ],
)
def test_expressions_are_met(expression: str, met: bool) -> None:
    obj = annotated(expression, **DOCUMENT["status"])
    assert all(wanted(obj).met for wanted in overrides.wait_for(obj)) is met


def test_a_status_of_an_older_generation_does_not_count() -> None:
    for status in (
        {"observedGeneration": 2, "conditions": [{"type": "Ready", "status": "True"}]},
        {"conditions": [{"type": "Ready", "status": "True", "observedGeneration": 2}]},
    ):
        obj = annotated("condition=Ready", **status)
        assert overrides.wait_for(obj)[0](obj).message == "Generation 2 is less than expected 3"
    obj = annotated("jsonpath={.status.a}=1", observedGeneration=2, a=1)
    assert not overrides.wait_for(obj)[0](obj).met


def test_a_condition_says_why_it_is_not_met() -> None:
    reason = {"type": "Ready", "status": "False", "reason": "NoPool", "message": "no such pool"}
    obj = annotated("condition=Ready", conditions=[reason])
    message = overrides.wait_for(obj)[0](obj).message
    assert message == "Resource has condition Ready=False (want True): NoPool: no such pool"


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("Ready", 'expected a "jsonpath=" or "condition=" prefix, got "Ready"'),
        ("[]", "at least one condition must be specified"),
        ("jsonpath=.status", ".status should be wrapped in brackets { ... }"),
        ("jsonpath='{.status}'", "'{.status}' should omit shell quotes"),
        ("jsonpath={.status}=", "{.status}= requires a value"),
        ("jsonpath={.a}=b=c", 'format should be {.path}=value or {.path}, got "{.a}=b=c"'),
        ("jsonpath={.a[}", 'parsing "{.a[}": unexpected end'),
    ],
)
def test_a_wrong_expression_is_refused(expression: str, message: str) -> None:
    with pytest.raises(ProviderError) as error:
        overrides.wait_for(annotated(expression))
    assert str(error.value) == message


def test_times_and_deletion() -> None:
    assert overrides.timeout_of(annotated(), 0) == 600
    assert overrides.timeout_of(annotated("30", overrides.TIMEOUT_SECONDS), 0) == 30
    assert overrides.timeout_of(annotated("soon", overrides.TIMEOUT_SECONDS), 0) == 600
    assert overrides.timeout_of(annotated("30", overrides.TIMEOUT_SECONDS), 7) == 7
    assert overrides.propagation_of(annotated()) == "Foreground"
    assert overrides.propagation_of(annotated("Orphan", overrides.DELETION_PROPAGATION)) == "Orphan"
    job = {**annotated("true", overrides.SKIP_AWAIT), "apiVersion": "batch/v1", "kind": "Job"}
    assert overrides.skips_deletion_wait(job)
    assert not overrides.skips_deletion_wait({**job, "kind": "LLMInferenceService", "apiVersion": "x/v1"})


def test_several_expressions_are_a_json_list() -> None:
    assert len(overrides.wait_for(annotated(json.dumps(["condition=A", "condition=B"])))) == 2
