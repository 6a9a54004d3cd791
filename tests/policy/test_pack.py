"""The policy pack: the field report's objects are refused by the right policy, good stacks by none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pulumi
import pytest
from pulumi_policy import EnforcementLevel
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE

from catalog.rules import load_rules
from checks.objects import REGISTRY
from tests.checks.objects.cases import Case, all_cases, changed
from tests.policy.engine import PACK, as_resources, field_objects, refusals

FIELD = field_objects()
field_object = pytest.mark.parametrize("entry", FIELD, ids=[entry["what"].replace(" ", "-") for entry in FIELD])


@pytest.fixture(autouse=True)
def no_configuration() -> Iterator[None]:
    """The stack has none, whatever another test of this process left."""
    pulumi.runtime.set_all_config({})
    yield
    pulumi.runtime.set_all_config({})


@field_object
def test_an_object_of_the_field_report_is_refused_by_the_right_policies(entry: dict[str, Any]) -> None:
    assert set(refusals(as_resources(entry["objects"]))) == set(entry["refused"])


@field_object
def test_a_rule_that_is_turned_off_refuses_nothing(entry: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in entry["refused"]:
        monkeypatch.setitem(REGISTRY, name.removesuffix("-stack"), ())
    assert refusals(as_resources(entry["objects"])) == {}


def test_a_message_says_where_what_and_what_to_write() -> None:
    [[(message, urn)]] = [refusals(as_resources(e["objects"]))["RT01"] for e in FIELD if "RT01" in e["refused"]]
    assert message.startswith("HTTPRoute llm-d-inference-scheduling/qwen2-3b-pattern1: spec.rules[0].timeouts: ")
    assert "Fix: Remove timeouts" in message
    assert urn == "urn:0:qwen2-3b-pattern1"


def test_a_stack_policy_names_the_resource() -> None:
    [entry] = [e for e in FIELD if e["refused"] == ["KS02-stack"]]
    [(_, urn)] = refusals(as_resources(entry["objects"]))["KS02-stack"]
    assert urn == "urn:0:qwen2-3b-pattern1-kserve-workload-svc"


def test_each_rule_on_objects_is_a_policy_of_its_level() -> None:
    levels = {policy.name: policy.enforcement_level for policy in PACK}
    assert len(levels) == len(PACK)
    assert {name.removesuffix("-stack") for name in levels} == set(REGISTRY)
    for name, level in levels.items():
        warns = load_rules()[name.removesuffix("-stack")].level == "W"
        assert level == (EnforcementLevel.ADVISORY if warns else EnforcementLevel.MANDATORY)


def test_a_good_stack_is_refused_by_no_policy() -> None:
    assert refusals(changed({})) == {}


# One case for each rule: the functions are the same, only the way to them is another.
REFUSED = list({case.rule: case for case in reversed(all_cases(refused=True))}.values())


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.rule)
def test_the_pack_says_what_the_rules_say(case: Case) -> None:
    said = {name.removesuffix("-stack") for name in refusals(case.resources())}
    assert said == {case.rule} | case.others


@pytest.mark.parametrize("place", ["metadata", "spec", "values", "nodeConfig", None])
def test_what_the_engine_does_not_know_yet_is_never_refused(place: str | None) -> None:
    """A part of every resource that has it; without a name, every part of every resource."""
    blurred = [
        replace(r, inputs={k: UNKNOWN_STRING_VALUE if place in {k, None} else v for k, v in r.inputs.items()})
        for r in changed({})
    ]
    assert refusals(blurred) == {}


@pytest.mark.parametrize(
    ("config", "refused"),
    [
        ({}, {"VL05"}),
        ({"overrides": [{"rule": "VL05", "reason": "a flag of our own build", "until": "2099-01-01"}]}, set()),
        ({"overrides": [{"rule": "VL05", "reason": "a flag of our own build", "until": "2020-01-01"}]}, {"VL05"}),
        ({"overrides": [{"rule": "VL05"}]}, {"VL05"}),
    ],
)
def test_overrides_of_the_stack_count(config: dict[str, Any], refused: set[str]) -> None:
    pulumi.runtime.set_all_config({f"tpu-serving:{key}": json.dumps(value) for key, value in config.items()})
    [case] = [case for case in all_cases(refused=True) if case.rule == "VL05"]
    assert set(refusals(case.resources())) == refused
