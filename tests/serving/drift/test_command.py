"""`serving drift` as a person calls it: what it looks at, exit codes, wrong calls."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from serving.commands.drift import drift
from tests.serving.verify import world


def call(*arguments: str) -> Result:
    app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(drift)
    return CliRunner().invoke(app, [*arguments])


def outputs(folder: Path) -> str:
    path = folder / "outputs.json"
    made = world.outputs(world.deployment("dev"), "http://10.0.0.9")
    path.write_text(json.dumps(made.model_dump(by_alias=True)))
    return str(path)


WRONG: list[tuple[list[str], str]] = [
    (["no-such-environment"], "no environment"),
    (["dev", "--kubeconfig", "nowhere"], "is no file"),
    (["dev", "--outputs", "nowhere.json"], "can't be read"),
    (["dev", "--format", "yaml"], "Invalid value"),
    ([], "Missing argument"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG)
def test_a_wrong_call_ends_with_2_and_says_why(arguments: list[str], words: str) -> None:
    done = call(*arguments)
    assert done.exit_code == 2
    assert words in done.output
    assert "Traceback" not in done.output


def test_a_refused_file_ends_with_2_and_the_rule(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text("config:\n  tpu-serving:project: {id: example-project}\n  tpu-serving:tiers: dev\n")
    done = call(str(file), "--outputs", outputs(tmp_path))
    assert done.exit_code == 2
    assert "tiers" in done.output


def test_without_a_running_rehearsal_and_without_outputs_it_says_what_to_give(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("config: {}\n")
    done = call(str(file))
    assert done.exit_code == 2
    assert "python -m serving rehearse" in done.output
    assert "--outputs FILE" in done.output


@pytest.mark.parametrize("output", ["text", "json", "markdown"])
def test_without_a_kubeconfig_nothing_is_guessed_and_nobody_can_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    monkeypatch.setenv("KUBECONFIG", "somewhere")
    done = call("dev", "--outputs", outputs(tmp_path), "--format", output)
    assert done.exit_code == 1
    assert "kubernetes-not-asked" in done.stdout
    assert "not known: " in done.stdout
