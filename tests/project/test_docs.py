"""What is generated is current, and the schemas describe what is really printed."""

from __future__ import annotations

import json
import re
import tomllib
from functools import cache
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from settings.environment import Environment
from settings.outputs import Outputs
from tests.commands import run
from tools.generate_docs import ROOT, project_file, stale


@cache
def _schema() -> dict[str, Any]:
    data: dict[str, Any] = json.loads((ROOT / "docs/plan-schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(data)
    return data


def _plan(environment: str) -> dict[str, Any]:
    data: dict[str, Any] = run("serving", "plan", environment, "--format", "json").document
    return data


def test_generated_files_are_current() -> None:
    assert stale() == [], "run `make docs`"


def test_project_file_declares_exactly_the_environments_keys() -> None:
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))
    fields = {f.alias: f for f in Environment.model_fields.values()}
    assert set(project["config"]) == set(fields)
    # The CLI refuses a stack without a value for a declared key that has no default.
    without_default = {key for key, entry in project["config"].items() if "default" not in entry}
    assert without_default == {key for key, field in fields.items() if field.is_required()}


def test_defaults_the_project_file_declares_are_the_models_own() -> None:
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text(encoding="utf-8"))["config"]
    required = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text(encoding="utf-8"))["config"]
    base = {key: required[f"tpu-serving:{key}"] for key in ("project", "location", "models")}
    defaults = {key: entry["default"] for key, entry in declared.items() if "default" in entry}
    assert Environment.model_validate(base | defaults) == Environment.model_validate(base)


@pytest.mark.parametrize("tail", ["", "plugins: {}\n"])
def test_only_the_config_block_of_the_project_file_is_replaced(tail: str) -> None:
    text = project_file(f"name: x\n# kept\nconfig:\n  old:\n    type: string\n\n{tail}")
    assert text.startswith(f"name: x\n# kept\n{tail}config:\n")
    assert "old" not in text
    assert project_file(text) == text


def test_plan_of_dev_follows_its_schema() -> None:
    data = _plan("dev")
    Draft202012Validator(_schema()).validate(data)
    assert data["resources"]


def test_schema_of_the_plan_notices_a_missing_and_an_unknown_key() -> None:
    data = _plan("dev")
    validator = Draft202012Validator(_schema())
    assert not validator.is_valid({k: v for k, v in data.items() if k != "time"})
    assert not validator.is_valid({**data, "extra": 1})
    assert not validator.is_valid({**data, "models": [{**data["models"][0], "chips": "4"}]})


def test_refused_file_follows_the_plans_schema(tmp_path: Any) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("config:\n  tpu-serving:tier: perhaps\n", encoding="utf-8")
    data = _plan(str(bad))
    Draft202012Validator(_schema()).validate(data)
    assert data["refusals"]


def test_schema_of_the_outputs_is_the_models() -> None:
    published = json.loads((ROOT / "docs/outputs.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(published)
    del published["$schema"]
    assert published == Outputs.model_json_schema(by_alias=True, mode="serialization")


def test_every_dependency_has_a_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"].values()
    declared = [
        *project["project"]["dependencies"],
        *(name for group in groups for name in group if isinstance(name, str)),
    ]
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## Dependencies")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([a-z][a-z0-9, -]*?)(?: \([a-z]+\))? \| .+ \|$", table, flags=re.MULTILINE)
    named = {name for row in rows for name in row.split(", ")} - {"name"}
    assert named == {re.split("[<>=!~]", name)[0] for name in declared}


def test_local_links_of_the_documents_exist() -> None:
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_the_readme_can_be_read_in_five_minutes() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 1200


def test_the_readme_says_first_what_was_validated() -> None:
    start = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:5]
    assert any("Never deployed to a real Google Cloud project" in line for line in start)
