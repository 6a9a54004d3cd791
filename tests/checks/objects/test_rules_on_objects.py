"""Every rule on objects refuses its refused examples at the right place, and has nothing to say of the accepted ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from catalog.rules import load_rules
from checks.objects import REGISTRY, on_graph, on_objects, on_resource, on_stack
from checks.objects.resource import kind_of
from checks.objects.values import UNKNOWN
from settings.refusal import render_path
from tests.checks.objects.cases import RULES, Case, all_cases, changed, read_cases

REFUSED, ACCEPTED = all_cases(refused=True), all_cases(refused=False)


def name_of(case: Case) -> str:
    changes = [*case.data.get("set", {}), *case.data.get("drop", []), *case.data.get("remove", [])]
    return f"{case.rule}-{'-'.join(changes or case.data)}".replace(" ", ".")


def test_the_unchanged_stack_breaks_no_rule() -> None:
    assert on_stack(changed({})) == []


def test_every_rule_has_a_refused_and_an_accepted_example_and_a_text() -> None:
    assert set(RULES) == set(REGISTRY)
    for rule in REGISTRY:
        assert {case.refused for case in read_cases(rule)} == {True, False}, rule
    assert set(REGISTRY) <= set(load_rules())


@pytest.mark.parametrize("case", REFUSED, ids=name_of)
def test_a_refused_example_is_refused_by_its_rule_at_its_place_with_a_fix(case: Case) -> None:
    findings = case.findings()
    assert {f.rule for f in findings} == {case.rule} | case.others
    own = [f for f in findings if f.rule == case.rule]
    assert case.data["at"] in [render_path(f.path) for f in own]
    assert any(case.data["fix"] in f.fix for f in own), [f.fix for f in own]


@pytest.mark.parametrize("case", ACCEPTED, ids=name_of)
def test_an_accepted_example_is_accepted(case: Case) -> None:
    assert {f.rule for f in case.findings()} == case.others


@pytest.mark.parametrize("case", REFUSED, ids=name_of)
def test_the_refusal_comes_from_that_rule_and_no_other(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REGISTRY, case.rule, ())
    assert {f.rule for f in case.findings()} == case.others


@pytest.mark.parametrize("rule", sorted(REGISTRY))
def test_each_function_of_a_rule_is_needed(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Turning any one function off loses a refusal: no example is found by another function of the same rule."""
    refused = [case for case in read_cases(rule) if case.refused]
    before = [places(case) for case in refused]
    for check in REGISTRY[rule]:
        rest = tuple(other for other in REGISTRY[rule] if other is not check)
        with monkeypatch.context() as patch:
            patch.setitem(REGISTRY, rule, rest)
            assert [places(case) for case in refused] != before


def places(case: Case) -> set[str]:
    return {render_path(f.path) for f in case.findings() if f.rule == case.rule}


@pytest.mark.parametrize("case", REFUSED, ids=name_of)
def test_the_program_and_the_plan_together_say_all_that_a_policy_pack_says(case: Case) -> None:
    """The program judges the objects, the plan what only the graph says: nothing falls between them."""
    stack = case.resources()
    objects = [resource.inputs for resource in stack if resource.is_object]
    found = [*on_objects(objects, context=case.context), *on_graph(stack, case.context)]
    assert {(f.rule, f.said) for f in case.findings()} <= {(f.rule, f.said) for f in found}


PARTS = changed({})


@pytest.mark.parametrize("index", range(len(PARTS)), ids=lambda index: PARTS[index].key)
def test_what_is_not_known_yet_is_neither_refused_nor_a_reason_to_fail(index: int) -> None:
    """Each value of a resource in turn, at any depth, becomes unknown."""
    for blurred in with_one_unknown(PARTS[index].inputs):
        stack = [*PARTS[:index], replace(PARTS[index], inputs=blurred), *PARTS[index + 1 :]]
        assert on_stack(stack) == []
        assert on_resource(PARTS[index].type, blurred) == []


def with_one_unknown(value: Any) -> list[Any]:
    """Copies of a value in which one thing, at any depth, is unknown."""
    if isinstance(value, dict):
        return [{**value, key: inner} for key in value for inner in [UNKNOWN, *with_one_unknown(value[key])]]
    if isinstance(value, list):
        return [
            [*value[:index], inner, *value[index + 1 :]]
            for index in range(len(value))
            for inner in [UNKNOWN, *with_one_unknown(value[index])]
        ]
    return []


def test_a_single_resource_is_judged_by_itself() -> None:
    config = {"metadata": {"name": "g"}, "spec": {"targetRef": {"kind": "Service", "name": "s"}}}
    assert [f.rule for f in on_resource("kubernetes:networking.gke.io/v1:HealthCheckPolicy", config)] == ["HC02"]
    assert on_resource("kubernetes:networking.example.com/v1:HealthCheckPolicy", config) == []
    assert kind_of("kubernetes:serving.knative.dev/v1:Service") != kind_of("kubernetes:core/v1:Service")


@pytest.mark.parametrize(
    "obj",
    [{}, {"kind": "HTTPRoute"}, {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "spec": "x"}],
)
def test_a_malformed_object_is_no_reason_to_fail(obj: dict[str, Any]) -> None:
    assert on_objects([obj]) == []
