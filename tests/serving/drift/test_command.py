"""`serving drift` as a person calls it: exit codes, a refused file, nobody to ask."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.commands.drift import drift
from tests.serving.calling import caller, outputs_file, wrong_call
from tests.serving.verify import deployed

call = caller(drift)


def outputs(folder: Path) -> str:
    return str(outputs_file(folder, deployed.outputs(deployed.deployment("dev"), "http://10.0.0.9")))


def test_a_refused_file_ends_with_2_and_the_rule(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text("config:\n  tpu-serving:project: {id: example-project}\n  tpu-serving:tiers: dev\n")
    assert "tiers" in wrong_call(call, str(file), "--outputs", outputs(tmp_path))


@pytest.mark.parametrize("output", ["text", "json", "markdown"])
def test_without_a_kubeconfig_nothing_is_guessed_and_nobody_can_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    monkeypatch.setenv("KUBECONFIG", "somewhere")
    done = call("dev", "--outputs", outputs(tmp_path), "--format", output)
    assert done.exit_code == 1
    assert "kubernetes-not-asked" in done.stdout
    assert "not known whether there is drift: " in done.stdout
