"""Commands that look at a deployed environment refuse the same calls in the same words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from serving.commands.bench import bench
from serving.commands.drift import drift
from serving.commands.verify import verify
from tests.serving.calling import caller, wrong_call

COMMANDS = pytest.mark.parametrize("command", [verify, drift, bench])
WRONG: list[tuple[list[str], str]] = [
    (["no-such-environment"], "no environment"),
    (["dev", "--kubeconfig", "nowhere"], "nowhere is not a file"),
    (["dev", "--outputs", "nowhere.json"], "can't be read"),
    (["dev", "--format", "xml"], "Invalid value"),
    (["dev", "--no-such-option"], "No such option"),
    ([], "Missing argument"),
]


@COMMANDS
@pytest.mark.parametrize(("arguments", "words"), WRONG)
def test_a_wrong_call_ends_with_2_and_says_why(command: Callable[..., None], arguments: list[str], words: str) -> None:
    assert words in wrong_call(caller(command), *arguments)


@COMMANDS
def test_without_a_running_rehearsal_and_without_outputs_it_says_what_to_give(
    command: Callable[..., None], tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("config: {}\n")
    said = wrong_call(caller(command), str(file))
    assert "python -m serving rehearse" in said
    assert "--outputs FILE" in said
