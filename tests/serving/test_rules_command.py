"""`serving rules` as a person calls it; and how overrides and warnings are shown."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from catalog.rules import load_rules

ROOT = Path(__file__).resolve().parents[2]


def serving(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "serving", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)


def test_the_list_has_every_rule_with_level_and_title() -> None:
    done = serving("rules")
    assert done.returncode == 0
    for rule in load_rules().values():
        assert any(
            line.split()[:2] == [rule.id, rule.level] and rule.title in line for line in done.stdout.splitlines()
        )
    assert "\x1b" not in done.stdout


def test_one_rule_is_printed_with_everything_known_about_it() -> None:
    done = serving("rules", "gw05")
    text, rule = " ".join(done.stdout.split()), load_rules()["GW05"]
    for part in (rule.title, rule.consequence, rule.fix, "refused", *(s.what for s in rule.sources)):
        assert part in text
    assert all(s.url in done.stdout for s in rule.sources)
    assert "Not verified: " in serving("rules", "GW04").stdout
    assert "issues 1, 9" in serving("rules", "GW01").stdout
    assert "no key for it" in serving("rules", "GW08").stdout
    assert "overrides:" in serving("rules", "TP13").stdout


def test_json_has_the_same_keys_for_every_rule() -> None:
    rules = json.loads(serving("rules", "--format", "json").stdout)["rules"]
    assert {r["id"] for r in rules} == set(load_rules())
    assert len({tuple(r) for r in rules}) == 1
    assert json.loads(serving("rules", "GW01", "--format", "json").stdout) == rules[0]


def test_an_unknown_rule_is_answered_with_a_near_one() -> None:
    done = serving("rules", "GW99")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Did you mean GW0" in done.stderr


def test_help_has_examples() -> None:
    assert "python -m serving rules GW01" in serving("rules", "--help").stdout


@pytest.fixture(scope="module")
def overridden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("environment") / "wide.yaml"
    text = (ROOT / "Pulumi.dev.yaml").read_text(encoding="utf-8").replace("topology: 2x2", "topology: 4x4")
    override = "{rule: TP13, reason: '[wide] slices are being tried', until: 2099-01-01}"
    path.write_text(f"{text}  tpu-serving:overrides: [{override}]\n".replace("west4-a", "west1-b"), encoding="utf-8")
    return path


def test_overrides_are_shown_in_the_plan_and_exported(overridden: Path) -> None:
    text = serving("plan", str(overridden)).stdout
    assert "TP13 until 2099-01-01: [wide] slices are being tried" in text
    data = json.loads(serving("plan", str(overridden), "--format", "json").stdout)
    (exported,) = data["outputs"]["overrides"]
    assert exported == {"rule": "TP13", "reason": "[wide] slices are being tried", "until": "2099-01-01"}


def test_warnings_say_what_happens_and_what_to_write(overridden: Path) -> None:
    done = serving("plan", str(overridden))
    assert done.returncode == 0
    (warned,) = [line for line in done.stdout.splitlines() if line.startswith("  TP05")]
    assert "location.zone = europe-west1-b" in warned
    assert "zone: europe-west4-a" in done.stdout
    (as_json,) = json.loads(serving("plan", str(overridden), "--format", "json").stdout)["warnings"]
    assert as_json["rule"] == "TP05"
    assert load_rules()["TP05"].consequence in as_json["message"]
