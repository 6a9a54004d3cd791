"""`make test REHEARSAL=off` asks nobody but the package index: nothing is fetched or built for the rehearsal."""

from __future__ import annotations

import subprocess
import sys
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
    assert ran[-1][2] == "pytest", "the tests come last in any case"
