"""A command run in the test's own process is the command: one as a process of its own says and answers the same."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from settings.document import ROOT
from tests.commands import Done, run

COMMANDS = [
    ("serving", "plan", "dev", "--format", "json"),
    ("serving", "plan", "tests/project/refused.yaml"),
    ("serving", "no-such-command"),
    ("policy", "no-such-file.json"),
    ("tools.ci.cloud", "deploy", "dev", "--dry-run"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_in_this_process_is_the_command(command: tuple[str, ...]) -> None:
    variables = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run(*command) == Done(done.returncode, done.stdout, done.stderr)
