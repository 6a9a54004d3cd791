"""Every rule on settings refuses what it is for, at the right place, says what to write, and leaves a good file alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

import checks.environment
import checks.rules
from catalog.rules import load_rules
from catalog.unsupported_keys import unsupported_keys
from checks.environment import check
from checks.objects import REGISTRY, context_of, on_objects
from checks.registry import Check
from manifests.rendered import rendered
from settings.document import Document, read_document
from settings.load import known_keys, unknown_key
from settings.refusal import refusals, render_path
from tests.checks.cases import (
    GOOD,
    Case,
    accepted_cases,
    findings,
    put,
    refused_cases,
    rules_with_cases,
    steps,
)
from tests.checks.objects.cases import RULES as RULES_OF_OBJECTS
from tests.checks.objects.cases import read_cases

ROOT = Path(__file__).resolve().parents[2]
REFUSED, ACCEPTED = refused_cases(), accepted_cases()
STRUCTURE = {"ST00", "ST01", "ST02", "ST03", "OV01"}
ON_DOCUMENT = {"SC03", "SC06"}


def said(case: Case, data: dict[str, object] | None = None) -> list[str]:
    """Paths at which the case's rule says something."""
    return [render_path(f.path) for f in findings(data or case.data()) if f.rule == case.rule]


def test_a_good_file_has_no_finding() -> None:
    assert findings(GOOD) == []


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_the_mistake_is_refused_by_its_rule_at_its_place(case: Case) -> None:
    own = [f for f in findings(case.data()) if f.rule == case.rule and render_path(f.path) == case.at]
    assert len(own) == 1, f"{case.rule} speaks of {said(case)}"
    (found,) = own
    assert (case.fix or case.paste).rstrip("\n") in found.fix, found.fix
    assert found.message and found.consequence
    assert re.search(r"\d{4}-\d{2}", found.source), "no source has a date"
    assert found.warning == (load_rules()[case.rule].level == "W")


@pytest.mark.parametrize("case", [c for c in REFUSED if c.paste], ids=str)
def test_what_the_fix_says_can_be_pasted_and_helps(case: Case) -> None:
    data = case.data()
    pasted = yaml.safe_load(case.paste)
    place = steps(case.at)
    if isinstance(pasted, str):  # another name for the same key
        holder = data
        for step in place[:-1]:
            holder = holder[step]  # type: ignore[index]
        holder[pasted] = holder.pop(place[-1])  # type: ignore[arg-type]
    else:
        for key, value in pasted.items():
            put(data, [*place[:-1], key], value)
    assert case.at not in said(case, data)


@pytest.mark.parametrize("case", ACCEPTED, ids=str)
def test_what_is_right_is_not_refused(case: Case) -> None:
    assert said(case) == []
    assert refusals(findings(case.data())) == []


@pytest.mark.parametrize("case", ACCEPTED, ids=str)
def test_what_settings_accept_is_not_refused_as_objects(case: Case) -> None:
    deployment, _ = check(Document("test", "test.yaml", case.data()))
    assert deployment is not None
    assert refusals(on_objects(rendered(deployment).objects(), context=context_of(deployment))) == []


def test_every_rule_on_settings_has_a_refusing_and_an_accepted_example() -> None:
    wanted = {rule.id for rule in load_rules().values() if "settings" in rule.enforced}
    assert wanted - rules_with_cases() == {"ST00"}, "a file that can't be read: tests/settings/test_documents.py"
    assert rules_with_cases() <= wanted


def test_the_data_says_which_rules_settings_are_held_to() -> None:
    assert {c.rule for c in checks.rules.CHECKS} | STRUCTURE | ON_DOCUMENT == {
        rule.id for rule in load_rules().values() if "settings" in rule.enforced
    }


@pytest.mark.parametrize(
    "index", range(len(checks.rules.CHECKS)), ids=[f"{c.rule}-{c.function.__name__}" for c in checks.rules.CHECKS]
)
def test_no_function_of_a_rule_can_be_turned_off_unseen(monkeypatch: pytest.MonkeyPatch, index: int) -> None:
    off: Check = checks.rules.CHECKS[index]
    cases = [c for c in REFUSED if c.rule == off.rule]
    assert all(said(c) for c in cases)
    if off.rule in ON_DOCUMENT:
        monkeypatch.setattr(checks.environment, "secrets_in_clear", lambda _: iter(()))
    monkeypatch.setattr(checks.rules, "CHECKS", tuple(c for c in checks.rules.CHECKS if c is not off))
    assert any(not said(c) for c in cases), "each case is refused without it"
    monkeypatch.setattr(checks.rules, "CHECKS", tuple(c for c in checks.rules.CHECKS if c.rule != off.rule))
    assert not any(said(c) for c in cases), "a case is refused by another rule under this one's name"


def test_overrides_are_held_to_their_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.rules, "overrides", lambda *_: iter(()))
    assert not any(said(c) for c in REFUSED if c.rule == "OV01")


def test_what_settings_cannot_express_is_answered_when_somebody_looks_for_it() -> None:
    """A rule without a place in the file has a key that leads to it, or the mistake could only be guessed at."""
    answered = {row.rule for row in unsupported_keys()}
    unwritten = {rule.id for rule in load_rules().values() if "settings" not in rule.enforced}
    assert unwritten - answered == set()
    assert answered <= set(load_rules())


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("models[0].routeTimeouts", {"request": "0s"}, "RT01"),
        ("models[0].timeouts", {"request": "0s"}, "RT01"),
        ("cluster.gatewayApiChannel", "disabled", "CL01"),
        ("cluster.httpLoadBalancing", False, "CL01"),
        ("models[0].healthCheckPath", "/", "HC05"),
        ("models[0].healthCheckPolicy", {"requestPath": "/"}, "HC01"),
        ("models[0].readinessProbe", {"initialDelaySeconds": 240}, "HC05"),
        ("models[0].initialDelaySeconds", 240, "KS11"),
        ("platform.urlScheme", "http", "KS02"),
        ("platform.enableLLMInferenceServiceTLS", True, "KS02"),
        ("models[0].minReplicas", 1, "KS06"),
        ("models[0].schedulerConfig", {"plugins": []}, "KS10"),
        ("models[0].nodeSelector", {"cloud.google.com/gke-tpu-topology": "2x2"}, "TP06"),
        ("capacity.maxSurge", 1, "TP07"),
        ("gateway.allowedRoutes", {"namespaces": {"from": "All"}}, "GW08"),
        ("gateway.certmap", "global", "GW05"),
        ("gateway.sessionAffinity", "CLIENT_IP", "BP02"),
        ("models[0].args", ["--dtype=half"], "VL01"),
        ("models[0].dtype", "half", "VL02"),
        ("capacity.queuedProvisioning", True, "TP09"),
        ("capacity.shutdownGracePeriodSeconds", 120, "ST01"),
        ("models[0].maxModelLen", 4096, "VL06"),
        ("models[0].hfToken", "secret", "SC03"),
    ],
)
def test_a_key_that_people_look_for_is_answered_by_the_rule_behind_it(path: str, value: object, rule: str) -> None:
    data = Case(rule, 0, {path: value}).data()
    (found,) = findings(data)
    assert (found.rule, render_path(found.path)) == (rule, path)
    assert found.consequence and found.fix


def keys_of_all_sections() -> list[tuple[str, ...]]:
    """Path of every key of a file, with sections inside sections."""
    found: list[tuple[str, ...]] = []
    places: list[tuple[str, ...]] = [()]
    while places:
        path = places.pop()
        found += [(*path, key) for key in known_keys(path)]
        places += [(*path, key) for key in known_keys(path) if known_keys((*path, key))]
    return found


def test_a_misspelt_key_is_answered_with_the_right_one() -> None:
    wrong = {
        (*path[:-1], word): path[-1]
        for path in keys_of_all_sections()
        for word in {path[-1][:-2] + path[-1][-1] + path[-1][-2], path[-1].lower(), path[-1][1:], f"{path[-1]}s"}
        if len(path[-1]) > 5 and word not in known_keys(path[:-1])
    }
    assert len(wrong) > 150
    assert {path for path, right in wrong.items() if unknown_key(path, None).fix != f"Write `{right}`."} == set()


def test_a_secret_is_never_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    token = "hf_" + "s3cret" * 6
    for path in ("models[0].servedNames[0]", "models[0].serverFlags.api-key", "models[0].hfToken", "colour", "tier"):
        data = Case("SC03", 0, {path.removesuffix("[0]") if path.endswith("[0]") else path: token}).data()
        if path.endswith("[0]"):
            put(data, steps(path)[:-1], [token])
        found = findings(data)
        assert found, path
        assert token not in repr(found), path


@pytest.mark.parametrize(
    "path", sorted([*ROOT.glob("examples/*.yaml"), *ROOT.glob("Pulumi.*.yaml")]), ids=lambda p: p.stem
)
def test_no_example_and_no_environment_is_refused(path: Path) -> None:
    deployment, found = check(read_document(path))
    assert deployment is not None
    assert refusals(found) == []


def test_an_override_that_is_over_counts_no_more() -> None:
    data = Case("TP13", 0, {"models[0].tpu": {"generation": "v6e", "topology": "4x4"}}).data()
    data["overrides"] = [{"rule": "TP13", "reason": "tried by our own team", "until": "2026-01-01"}]
    assert {f.rule for f in check(Document("test", "test.yaml", data))[1]} == {"TP13", "OV01"}


def test_the_data_says_which_rules_objects_are_held_to() -> None:
    assert set(REGISTRY) == {rule.id for rule in load_rules().values() if "objects" in rule.enforced}


def test_every_rule_has_a_refusing_and_an_accepted_example_somewhere() -> None:
    on_objects = {rule for rule in RULES_OF_OBJECTS if {case.refused for case in read_cases(rule)} == {True, False}}
    assert set(load_rules()) - rules_with_cases() - on_objects == {"ST00"}


def test_a_command_is_proposed_only_for_a_network_that_has_a_name() -> None:
    data = {**GOOD, "network": {"mode": "existing", "subnetwork": "nodes"}}
    assert [(f.rule, render_path(f.path)) for f in findings(data)] == [("CL07", "network.name")]
