"""`make test REHEARSAL=off` asks nobody but the package index: nothing is fetched or built for the rehearsal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tools import checks


@pytest.mark.parametrize(("options", "prepared"), [(["--tests"], True), (["--tests", "--without-rehearsal"], False)])
def test_the_rehearsals_programs_are_prepared_unless_left_out(
    options: list[str], prepared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        ran.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(sys, "argv", ["checks", *options])
    assert checks.main() == 0
    assert ([sys.executable, "-m", "rehearsal.assets"] in ran) == prepared
    assert {"pytest", "mypy"} < {Path(part).name for command in ran for part in command}


def test_a_check_that_fails_beside_the_tests_is_named_with_its_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, int(command[0].endswith("mypy")), "x.py:1: error: no type", "")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(sys, "argv", ["checks", "--tests", "--without-rehearsal"])
    assert checks.main() == 1
    assert capsys.readouterr().out.endswith("x.py:1: error: no type\nfailed: mypy\n")
