"""What --against may name, and what it says of anything else."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cluster.outputs import parse_outputs
from serving.plan.against.contract import Difference
from serving.plan.against.run import against
from serving.plan.against.source import Source, find
from settings.refusal import RefusedError
from tests.serving.against.comparing import DEV, EXTERNAL, SECOND, edited, plan_of


def outputs(text: str = DEV, **changes: Any) -> dict[str, Any]:
    """Outputs as the stack of a text would have them after `pulumi up`."""
    data = json.loads(json.dumps(plan_of(text).graph.recording.outputs))
    data["gateway"]["address"] = "10.0.0.9"
    for model in data["models"]:
        model["url"] = f"http://10.0.0.9/llm-serving/{model['name']}"
    return {**data, **changes}


def against_outputs(data: dict[str, Any], text: str) -> Difference:
    return against(plan_of(text), Source("outputs", "outputs.json", outputs=parse_outputs(data, "outputs.json")))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with dev as of main in a folder below its root, and edited since; its path is the file's."""
    folder = tmp_path / "environments"
    folder.mkdir()
    path = folder / "Pulumi.dev.yaml"
    path.write_text(DEV, encoding="utf-8")
    author = ["-c", "user.name=someone", "-c", "user.email=someone@example.com", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "."], [*author, "commit", "-q", "-m", "dev"]):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True, capture_output=True)
    path.write_text(DEV + SECOND, encoding="utf-8")
    return path


def refused(name: str, environment: Path) -> str:
    with pytest.raises(RefusedError) as error:
        find(name, environment)
    return str(error.value)


def test_a_ref_is_read_without_a_checkout(repository: Path) -> None:
    source = find("main", repository)
    assert source.kind == "ref" and source.document is not None
    assert source.document.name == "dev" and source.name == "Pulumi.dev.yaml as of main"
    assert [m["name"] for m in source.document.data["models"]] == ["qwen2-5-3b"]
    assert repository.read_text(encoding="utf-8") == DEV + SECOND
    head = find("HEAD", repository).document
    assert head is not None and head.data == source.document.data


def test_what_is_no_ref_no_file_and_no_environment_is_said(repository: Path) -> None:
    for name in ("no-such-branch", "--output=x", "main:environments", ""):
        assert "is not a git ref here, a file or another environment" in refused(name, repository)


def test_a_ref_without_the_file_is_said(repository: Path) -> None:
    new = repository.with_name("Pulumi.new.yaml")
    new.write_text(DEV, encoding="utf-8")
    assert "Pulumi.new.yaml is not in main" in refused("main", new)


def test_a_branch_named_as_an_environment_has_to_be_told_apart(repository: Path) -> None:
    subprocess.run(["git", "branch", "prod"], cwd=repository.parent, check=True, capture_output=True)
    assert "both a git ref and an environment" in refused("prod", repository)
    assert find("refs/heads/prod", repository).kind == "ref"


def test_another_environment_is_found_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(DEV, encoding="utf-8")
    source = find("prod", path)
    assert source.kind == "file" and source.document is not None and source.document.name == "prod"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not valid JSON"),
        ("[]", "no stack outputs"),
        ('{"contractVersion": "9.0"}', "follow contract 9.0"),
        ('{"contractVersion": "1.0", "models": 3}', "environment: Field required"),
    ],
)
def test_outputs_that_are_none_are_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "outputs.json"
    path.write_text(text, encoding="utf-8")
    assert said in refused(str(path), tmp_path / "Pulumi.dev.yaml")


@pytest.mark.parametrize(
    "change", [{"chips": "4"}, {"costPerHour": None}, {"overrides": None}, {"models": [None]}, {"gateway": []}]
)
def test_outputs_of_another_shape_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "outputs.json"
    path.write_text(json.dumps(outputs(**change)), encoding="utf-8")
    refused(str(path), tmp_path / "Pulumi.dev.yaml")


def test_the_word_outputs_asks_the_cli_for_the_environments_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = tmp_path / "answer.json"
    answer.write_text(json.dumps(outputs()), encoding="utf-8")
    program = tmp_path / "pulumi"
    program.write_text(f'#!/bin/sh\n[ "$*" = "stack output --json --stack dev --non-interactive" ] && cat "{answer}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    source = find("outputs", tmp_path / "Pulumi.dev.yaml")
    assert (source.kind, source.name) == ("outputs", "of stack dev")
    assert against(plan_of(DEV + SECOND), source).headline.startswith("adds 4 chips in europe-west4")
    assert "failed: no word" in refused("outputs", tmp_path / "Pulumi.other.yaml")
    program.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "can't be run" in refused("outputs", tmp_path / "Pulumi.dev.yaml")


def test_outputs_of_the_same_settings_are_no_change() -> None:
    made = against_outputs(outputs(), DEV)
    assert made.headline == "no change in what the outputs hold"
    assert not made.changed and not made.complete and not made.safe
    assert any("Outputs hold no pod templates" in note for note in made.notes)


def test_outputs_show_models_restarts_chips_cost_and_exposure() -> None:
    text = edited("contextLength: 2048", "contextLength: 4096") + SECOND + EXTERNAL
    made = against_outputs(outputs(), text)
    assert {m.name: m.change for m in made.models} == {"qwen3-8b": "added", "qwen2-5-3b": "restarted"}
    assert (made.chips.before, made.chips.after) == (4, 8)
    assert "adds 4 chips in europe-west4, +$285/day" in made.headline
    assert "makes the gateway EXTERNAL" in made.headline
