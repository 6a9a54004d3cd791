"""`serving plan --against` as a person and a workflow call it: formats, exit codes, which side is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from serving.checking.show import cell
from serving.plan.against.contract import difference_schema
from serving.plan.against.show import render_markdown, render_text
from settings.document import ROOT
from tests.serving.against.comparing import DEV, EXTERNAL, SECOND, compared

RANGE = "  tpu-serving:network: {nodesCidr: 10.64.0.0/20}\n"
CASES = {"model": DEV + SECOND, "external": DEV + EXTERNAL, "range": DEV + RANGE, "comment": DEV + "# A word.\n"}


def serving(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "serving", "plan", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """Paths of an environment before and after it gets a second model."""
    for name, text in (("before", DEV), ("after", DEV + SECOND)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Pulumi.dev.yaml").write_text(text, encoding="utf-8")
    return str(tmp_path / "before/Pulumi.dev.yaml"), str(tmp_path / "after/Pulumi.dev.yaml")


def test_json_follows_its_schema_and_is_the_same_twice(files: tuple[str, str]) -> None:
    before, after = files
    done = serving(after, "--against", before, "--format", "json")
    assert done.returncode == 0, done.stderr
    schema = difference_schema()
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(json.loads(done.stdout))
    assert serving(after, "--against", before, "--format", "json").stdout == done.stdout


@pytest.mark.parametrize("case", CASES)
def test_every_difference_follows_the_schema(case: str) -> None:
    Draft202012Validator(difference_schema()).validate(compared(DEV, CASES[case]).as_json())


def test_text_and_markdown_begin_with_the_headline(files: tuple[str, str]) -> None:
    before, after = files
    text = serving(after, "--against", before)
    assert text.stdout.splitlines()[1].startswith("adds 4 v6e chips in europe-west4-a, +$285/day")
    comment = serving(after, "--against", before, "--format", "markdown")
    assert comment.stdout.startswith("### `dev`: adds 4 v6e chips in europe-west4-a, +$285/day")
    assert (text.returncode, comment.returncode) == (0, 0)


@pytest.mark.parametrize("case", CASES)
def test_text_fits_a_terminal_and_a_comment_a_screen(case: str) -> None:
    made = compared(DEV, CASES[case])
    assert max(map(len, render_text(made).splitlines())) <= 100
    seen = render_markdown(made).split("<details>")[0]
    assert len(seen.splitlines()) <= 30
    assert ("[!CAUTION]" in seen) == (case == "range")


def test_a_caution_stands_above_everything_but_the_headline() -> None:
    lines = render_markdown(compared(DEV, CASES["range"])).splitlines()
    assert "REPLACES cluster tpu-serving-dev" in lines[0] and lines[2] == "> [!CAUTION]"


def test_a_refused_side_is_named(files: tuple[str, str], tmp_path: Path) -> None:
    before, after = files
    bad = tmp_path / "Pulumi.bad.yaml"
    bad.write_text(DEV + "  tpu-serving:tierr: dev\n", encoding="utf-8")
    other = serving(after, "--against", str(bad))
    assert other.returncode == 2 and "The other side, --against" in other.stderr and str(bad) in other.stderr
    this = serving(str(bad), "--against", before)
    assert this.returncode == 2 and "The other side" not in this.stderr and str(bad) in this.stderr
    as_json = serving(after, "--against", str(bad), "--format", "json")
    assert as_json.returncode == 2 and json.loads(as_json.stdout)["refusals"]


def test_what_is_nothing_is_refused_without_a_traceback() -> None:
    done = serving("dev", "--against", "no-such-thing")
    assert done.returncode == 2 and "not a git ref here" in done.stderr and "Traceback" not in done.stderr


def test_formats_of_objects_have_no_comparison() -> None:
    done = serving("dev", "--against", "prod", "--format", "yaml")
    assert done.returncode == 2 and "--against" in done.stderr


def test_markdown_of_a_plan_says_models_cost_and_warnings() -> None:
    done = serving("dev", "--format", "markdown")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("### `dev`: 1 model, 4 chips in europe-west4-a, $291.66/day, internal")
    assert "| **sum** | 12.15 | 291.66 | 8,871.35 |" in done.stdout and "No warnings" in done.stdout


def test_words_of_a_file_never_become_markup_in_a_comment() -> None:
    evil = "</details> @team **x** [y](https://example.com) `z` | <img src=x>"
    shown = cell(evil)
    for markup in ("<", "@team", " **x", " [y", "://", " `z", " | "):
        assert markup not in shown
    override = f'  tpu-serving:overrides: [{{rule: TP13, reason: "{evil} is long", until: 2027-01-31}}]\n'
    assert "</details> @team" not in render_markdown(compared(DEV, DEV + override))
