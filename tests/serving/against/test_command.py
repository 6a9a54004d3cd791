"""`serving plan --against` as a person and a workflow call it: formats, exit codes, which side is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from serving.checking.render import cell
from serving.plan.against.contract import Difference
from serving.plan.against.render import render_markdown, render_text
from tests.commands import Done, run
from tests.serving.against.comparing import DEV, EXTERNAL, SECOND, compared

RANGE = "  tpu-serving:network: {nodesCidr: 10.64.0.0/20}\n"
PUBLIC = DEV + "  tpu-serving:cluster: {privateNodes: false}\n"
CASES = {
    "public": PUBLIC,
    "model": DEV + SECOND,
    "external": DEV + EXTERNAL,
    "range": DEV + RANGE,
    "comment": DEV + "# A word.\n",
}


def plan(*arguments: str) -> Done:
    return run("serving", "plan", *arguments)


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """Paths of an environment before and after it gets a second model."""
    for name, text in (("before", DEV), ("after", DEV + SECOND)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Pulumi.dev.yaml").write_text(text, encoding="utf-8")
    return str(tmp_path / "before/Pulumi.dev.yaml"), str(tmp_path / "after/Pulumi.dev.yaml")


def test_json_follows_its_schema_and_is_the_same_twice(files: tuple[str, str]) -> None:
    before, after = files
    done = plan(after, "--against", before, "--format", "json")
    assert done.code == 0, done.err
    schema = Difference.schema_for("difference")
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(done.document)
    assert plan(after, "--against", before, "--format", "json").out == done.out


@pytest.mark.parametrize("case", CASES)
def test_every_difference_follows_the_schema(case: str) -> None:
    Draft202012Validator(Difference.schema_for("difference")).validate(compared(DEV, CASES[case]).as_json())


def test_text_and_markdown_begin_with_the_headline(files: tuple[str, str]) -> None:
    before, after = files
    text = plan(after, "--against", before)
    assert text.out.splitlines()[1].startswith("adds 4 v6e chips in europe-west4-a, +$285/day")
    comment = plan(after, "--against", before, "--format", "markdown")
    assert comment.out.startswith("### `dev`: adds 4 v6e chips in europe-west4-a, +$285/day")
    assert (text.code, comment.code) == (0, 0)


@pytest.mark.parametrize("case", CASES)
def test_text_fits_a_terminal_and_a_comment_a_screen(case: str) -> None:
    made = compared(DEV, CASES[case])
    assert max(map(len, render_text(made).splitlines())) <= 80
    seen = render_markdown(made).split("<details>")[0]
    assert len(seen.splitlines()) <= 30
    assert ("[!CAUTION]" in seen) == (case in {"range", "public"})


def test_what_pulumi_up_leaves_undone_ends_with_an_exit_code(files: tuple[str, str]) -> None:
    before, after = files
    Path(after).write_text(PUBLIC, encoding="utf-8")
    assert plan(after, "--against", before).code == 1
    assert plan(before, "--against", after).code == 0  # replaced: that is done


def test_a_caution_stands_above_everything_but_the_headline() -> None:
    lines = render_markdown(compared(DEV, CASES["range"])).splitlines()
    assert "REPLACES cluster tpu-serving-dev" in lines[0] and lines[2] == "> [!CAUTION]"


def test_a_refused_side_is_named(files: tuple[str, str], tmp_path: Path) -> None:
    before, after = files
    bad = tmp_path / "Pulumi.bad.yaml"
    bad.write_text(DEV + "  tpu-serving:tierr: dev\n", encoding="utf-8")
    other = plan(after, "--against", str(bad))
    assert other.code == 2 and "The other side, --against" in other.err and str(bad) in other.err
    this = plan(str(bad), "--against", before)
    assert this.code == 2 and "The other side" not in this.err and str(bad) in this.err
    as_json = plan(after, "--against", str(bad), "--format", "json")
    assert as_json.code == 2 and as_json.document["refusals"]


def test_what_is_nothing_is_refused() -> None:
    done = plan("dev", "--against", "no-such-thing")
    assert done.code == 2 and "not a git ref here" in done.err


def test_formats_of_objects_have_no_comparison() -> None:
    done = plan("dev", "--against", "prod", "--format", "yaml")
    assert done.code == 2 and "--against" in done.err


def test_markdown_of_a_plan_says_models_cost_and_warnings() -> None:
    done = plan("dev", "--format", "markdown")
    assert done.code == 0, done.err
    assert done.out.startswith("### `dev`: 1 model, 4 chips in europe-west4-a, $291.66/day, internal")
    assert "| **sum** | 12.15 | 291.66 | 8,871.35 |" in done.out and "No warnings" in done.out


def test_words_of_a_file_never_become_markup_in_a_comment() -> None:
    evil = "</details> @team **x** [y](https://example.com) `z` | <img src=x>"
    shown = cell(evil)
    for markup in ("<", "@team", " **x", " [y", "://", " `z", " | "):
        assert markup not in shown
    override = f'  tpu-serving:overrides: [{{rule: TP13, reason: "{evil} is long", until: 2027-01-31}}]\n'
    assert "</details> @team" not in render_markdown(compared(DEV, DEV + override))
