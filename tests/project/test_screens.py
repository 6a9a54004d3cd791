"""What people see fits a terminal of 80 columns: summaries whole, no word broken, a cause said once."""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from checks.environment import check
from serving.checking.findings import Check, Outcome, Report, VerdictTexts, unknown
from serving.checking.render import render_markdown
from serving.commands import versions
from serving.plan.against.headline import money
from settings.document import ROOT, Document
from settings.refusal import refusals
from tests.commands import run
from tests.project.test_commands_of_the_docs import SUBCOMMANDS
from tools.annotated import annotated
from tools.screens import screens

# What is to be pasted, or is one word, stays whole: addresses, and commands with their options.
PASTED = re.compile(r"://|^ +(gcloud|kubectl|pulumi|python|--)|^(not ready|does not serve|serves)\b|^\S+: ")


def _blocks(columns: str) -> list[str]:
    text = screens()
    return re.findall(rf"{columns} columns:\n\n```text\n(.*?)\n```", text, flags=re.DOTALL)


@pytest.mark.parametrize(("columns", "width"), [("80", 80), ("80 and 120", 80), ("120", 120)])
def test_screens_fit_their_width(columns: str, width: int) -> None:
    blocks = _blocks(columns)
    assert blocks
    lines = [line for block in blocks for line in block.splitlines()]
    assert [line for line in lines if len(line) > width and not PASTED.search(line)] == []


def test_every_command_has_a_whole_summary() -> None:
    said = run("serving", "-h", variables={"COLUMNS": "80"})
    assert said.code == 0
    for name in SUBCOMMANDS:
        [summary] = re.findall(rf"^  {name} +(.+)$", said.out, flags=re.MULTILINE)
        assert len(summary) <= 60 and not summary.endswith("...") and summary.endswith("."), summary


def test_usage_names_the_environment_without_braces() -> None:
    assert "plan [OPTIONS] ENV\n" in run("serving", "plan", "-h").out


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_examples_of_the_help_can_be_pasted_at_80_columns(name: str) -> None:
    said = run("serving", name, "-h", variables={"COLUMNS": "80"}).out
    assert max(map(len, said.splitlines())) <= 80
    whole = re.sub(r" \\\n +", " ", said)
    examples = re.findall(r"^    ((?:python|pulumi) .+)$", SUBCOMMANDS[name].help, flags=re.MULTILINE)
    assert examples and [example for example in examples if f"  {example}\n" not in whole] == []
    assert re.findall(r"\w-$", said, flags=re.MULTILINE) == [], "a word broken at its hyphen"


def test_the_version_is_the_projects() -> None:
    assert re.fullmatch(r"tpu-serving \d+\.\d+\.\d+\n", run("serving", "--version").out)


def test_the_annotated_file_is_valid_and_on_the_settings_page() -> None:
    assert annotated() in (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    config = yaml.safe_load(annotated())["config"]
    data = {key.removeprefix("tpu-serving:"): value for key, value in config.items()}
    deployment, findings = check(Document("annotated", "annotated", data))
    assert deployment is not None and refusals(findings) == []


def test_a_cause_that_many_checks_share_is_said_once() -> None:
    checks = [Check(name, name, name, (), lambda _: ()) for name in ("one", "two", "three")]
    outcomes = tuple(Outcome(c, (unknown("kubernetes-not-asked", c.name, "no kubeconfig"),), 0.0) for c in checks)
    report = Report(
        environment="dev",
        where="x",
        words=VerdictTexts("a", "b", "c"),
        outcomes=outcomes,
        seconds=0.0,
        proofs=frozenset(),
    )
    text = render_markdown(report)
    assert text.count("- Cause: ") == text.count("- Found: ") == text.count("- Runbook: ") == 1
    assert all(f"**could not ask** {name}: {name}" in text for name in ("one", "two", "three"))


def test_a_model_of_unknown_size_has_an_unknown_start_and_a_warning(tmp_path: object) -> None:
    path = ROOT / "Pulumi.dev.yaml"
    text = path.read_text(encoding="utf-8").replace("hf://Qwen/Qwen2.5-3B-Instruct", "hf://acme/unheard-of")
    assert isinstance(tmp_path, type(path))
    (tmp_path / "unknown.yaml").write_text(text, encoding="utf-8")
    said = run("serving", "plan", str(tmp_path / "unknown.yaml"))
    assert "startup unknown" in said.out and "at least about" in said.out
    assert "MD02" in said.out and "No warnings" not in said.out
    [model] = run("serving", "plan", str(tmp_path / "unknown.yaml"), "--format", "json").document["models"]
    assert model["startSeconds"] is None


def test_a_sum_with_a_missing_price_says_so() -> None:
    said = run("serving", "plan", "examples/tpu7x.yaml")
    priced = "no price known" not in said.out
    assert ("total unknown; known items" in said.out) is not priced


def test_lock_and_versions_fit_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = "registry.example can't be reached ([Errno -2] Name or service not known); check the network or the proxy"
    lines = (versions.Pinned("image", "cert-manager-startupapicheck", "v1.21.2", "x", error=wrong),)
    monkeypatch.setattr(versions, "_lines", lambda: iter(lines))
    for command in ("lock", "versions"):
        said = run("serving", command).out
        assert said and [line for line in said.splitlines() if len(line) > 80] == []


@given(st.floats(-0.01, 0.01))
def test_an_amount_that_is_rounded_to_nothing_has_no_sign(amount: float) -> None:
    said = money(amount, "USD", signed=True)
    assert (said == "$0.00") == (abs(round(amount, 2)) == 0)


def test_prices_of_commitments_stand_beside_the_estimate_and_are_not_in_it() -> None:
    said = run("serving", "plan", "examples/tpu7x.yaml").out
    assert "Commitment tpu7x: 8.40 a chip and hour for one year, 5.40 for three; not applied" in said
    assert re.search(r"^TPU tpu7x chips +4 +12\.000", said, re.MULTILINE)
    assert "Commitment" not in run("serving", "plan", "dev").out  # no list has europe-west4
