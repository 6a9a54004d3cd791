"""`serving rules` as a person calls it; and how overrides and warnings are shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalog.rules import load_rules
from settings.document import ROOT
from tests.commands import Done, run


def serving(*arguments: str) -> Done:
    return run("serving", *arguments)


def test_the_list_has_every_rule_with_level_and_title() -> None:
    done = serving("rules")
    assert done.code == 0
    text = " ".join(done.out.split())
    for rule in load_rules().values():
        assert f" {rule.id} {rule.level} {rule.title} " in text
    assert max(map(len, done.out.splitlines())) <= 80
    assert "\x1b" not in done.out


def test_one_rule_is_printed_with_everything_known_about_it() -> None:
    done = serving("rules", "gw05")
    text, rule = " ".join(done.out.split()), load_rules()["GW05"]
    for part in (rule.title, rule.consequence, rule.fix, "rejected", *(s.what for s in rule.sources)):
        assert part in text
    assert all(s.url in done.out for s in rule.sources)
    assert "Not verified: " in serving("rules", "GW04").out
    assert "issue 1, issue 9" in serving("rules", "GW01").out
    assert "no key for it" in serving("rules", "GW08").out
    assert "overrides:" in serving("rules", "TP13").out


def test_json_has_the_same_keys_for_every_rule() -> None:
    rules = serving("rules", "--format", "json").document["rules"]
    assert {r["id"] for r in rules} == set(load_rules())
    assert len({tuple(r) for r in rules}) == 1
    assert serving("rules", "GW01", "--format", "json").document == rules[0]


def test_an_unknown_rule_is_answered_with_a_near_one() -> None:
    done = serving("rules", "GW99")
    assert done.code == 2
    assert done.out == ""
    assert "Did you mean GW0" in done.err


def test_help_has_examples() -> None:
    assert "python -m serving rules GW01" in serving("rules", "--help").out


@pytest.fixture(scope="module")
def overridden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("environment") / "wide.yaml"
    text = (ROOT / "Pulumi.dev.yaml").read_text(encoding="utf-8").replace("topology: 2x2", "topology: 4x4")
    override = "{rule: TP13, reason: '[wide] slices are being tried', until: 2099-01-01}"
    path.write_text(f"{text}  tpu-serving:overrides: [{override}]\n".replace("west4-a", "west1-b"), encoding="utf-8")
    return path


def test_overrides_are_shown_in_the_plan_and_exported(overridden: Path) -> None:
    text = serving("plan", str(overridden)).out
    assert "TP13 until 2099-01-01: [wide] slices are being tried" in text
    data = serving("plan", str(overridden), "--format", "json").document
    (exported,) = data["outputs"]["overrides"]
    assert exported == {"rule": "TP13", "reason": "[wide] slices are being tried", "until": "2099-01-01"}


def test_warnings_say_what_happens_and_what_to_write(overridden: Path) -> None:
    done = serving("plan", str(overridden))
    assert done.code == 0
    (warned,) = [line for line in done.out.splitlines() if line.startswith("  TP05")]
    assert "location.zone = europe-west1-b" in warned
    assert "zone: europe-west4-a" in done.out
    (as_json,) = serving("plan", str(overridden), "--format", "json").document["warnings"]
    assert as_json["rule"] == "TP05"
    assert load_rules()["TP05"].consequence in as_json["message"]
