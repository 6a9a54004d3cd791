"""Tests that share a rehearsal run in one process: the fixture that keeps it is that process's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tools.checks import ROOT, TESTS

_FILE = """
import os
import pathlib

import pytest

pytestmark = pytest.mark.xdist_group("shared")


@pytest.mark.parametrize("number", range(4))
def test_says_where_it_runs(number):
    with pathlib.Path("workers").open("a") as workers:
        workers.write(os.environ["PYTEST_XDIST_WORKER"] + "\\n")
"""


def _pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A run of its own, with no plugin but the one in question."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "xdist", *arguments],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_tests_of_one_group_run_in_one_process(tmp_path: Path) -> None:
    for name in ("test_one.py", "test_other.py"):
        (tmp_path / name).write_text(_FILE, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n", encoding="utf-8")
    done = _pytest(tmp_path, *TESTS[TESTS.index("--dist") :][:2], "-n", "2")
    assert done.returncode == 0, done.stdout
    workers = (tmp_path / "workers").read_text(encoding="utf-8").split()
    assert len(workers) == 8
    assert len(set(workers)) == 1, workers


def test_tests_that_share_a_control_plane_are_one_group() -> None:
    done = _pytest(ROOT, "-n", "0", "--collect-only", "-m", "xdist_group", "tests/rehearsal/gke")
    found = {line.partition("::")[0] for line in done.stdout.splitlines() if "::" in line}
    assert found == {"tests/rehearsal/gke/test_process.py"}
