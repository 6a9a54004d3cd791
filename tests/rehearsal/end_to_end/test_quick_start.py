"""The README's block: its commands exist, the request that it ends with is answered, and all of it runs as pasted."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from cluster.target import rehearsal_folder
from settings.document import ROOT, find_environment, read_document
from tests.everything import of_everything
from tests.project.test_commands_of_the_docs import SUBCOMMANDS, Block, _blocks, _lines
from tests.rehearsal.end_to_end.command import Rehearsal

HERE = str(Path(__file__).relative_to(ROOT))


def blocks() -> list[Block]:
    """What is pasted, and what takes it down again."""
    return [block for block in _blocks(ROOT / "README.md") if block.note == f"run by {HERE}"]


def test_the_block_sets_up_calls_what_there_is_and_ends_with_a_request() -> None:
    block, end = blocks()
    setup, activate, *calls, request = map(shlex.split, _lines(block.text))
    assert setup == ["make", "setup"] and activate == [".", ".venv/bin/activate"]
    for call in [*calls, *map(shlex.split, _lines(end.text))]:
        assert call[:3] == ["python", "-m", "serving"] and call[3] in SUBCOMMANDS and call[4:] == ["dev"]
    assert [call[3] for call in calls] == ["plan", "rehearse"]
    model = read_document(find_environment("dev")).data["models"][0]["name"]
    script = rehearsal_folder("dev") / f"ask-{model}.sh"
    assert request == ["sh", str(script.relative_to(ROOT))] and script.name == "ask-qwen2-5-3b.sh"


def _answered(printed: str) -> None:
    answer = json.loads(printed.splitlines()[-1])
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"]["content"]


def _curl() -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not here")


def test_the_request_that_rehearse_writes_is_answered(dev: Rehearsal) -> None:
    _curl()
    [script] = dev.last["requests"].values()
    done = subprocess.run(["sh", script], cwd=ROOT, capture_output=True, text=True, check=True)
    _answered(done.stdout)


@of_everything
def test_the_block_pasted_into_a_clone_ends_in_an_answer(binaries: dict[str, Path], tmp_path: Path) -> None:
    """In a folder whose name has a space, with this machine's caches: the programs are there."""
    _curl()
    if not (ROOT / ".git").exists():
        pytest.skip("no repository to clone")
    clone = tmp_path / "a clone"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone)], check=True)
    block, end = blocks()
    try:
        done = subprocess.run(["bash", "-ec", block.text], cwd=clone, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        _answered(done.stdout)
    finally:
        text = f". .venv/bin/activate\n{end.text}"
        ended = subprocess.run(["bash", "-ec", text], cwd=clone, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "no object, process, port or file of it is left" in ended.stdout
