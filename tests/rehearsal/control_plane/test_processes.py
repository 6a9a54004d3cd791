"""Finding and ending what carries a rehearsal's mark, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.control_plane import leftovers, stop
from rehearsal.control_plane.processes import exists, is_marked, kill_marked, marked
from rehearsal.directory import RehearsalDirectory

IDLE = "import time; print(1, flush=True); time.sleep(600)"


def spawn(directory: RehearsalDirectory, code: str = IDLE) -> subprocess.Popen[str]:
    """A marked process. Until its program runs, its environment can't be read."""
    environment = {**os.environ, **directory.environment}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[RehearsalDirectory]:
    made = RehearsalDirectory(tmp_path / "dev")
    yield made
    kill_marked(made)


def test_a_marked_process_is_found_and_ended_also_one_that_ignores_sigterm(directory: RehearsalDirectory) -> None:
    with spawn(directory, f"import signal; signal.signal(15, signal.SIG_IGN); {IDLE}") as child:
        assert is_marked(directory, child.pid)
        [found] = leftovers(directory)
        assert found.startswith(f"process {child.pid} (")
        stop(directory)
        assert not exists(child.pid)
    assert child.returncode == -9
    assert leftovers(directory) == []


def test_one_whose_parent_is_gone_is_ended(directory: RehearsalDirectory) -> None:
    code = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {IDLE!r}]).pid, flush=True)"
    environment = {**os.environ, **directory.environment}
    parent = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        orphan = int(parent.stdout.readline())
        assert parent.stdout.readline() == "1\n"
        parent.kill()
        parent.wait()
        assert exists(orphan)
        stop(directory)
    assert not exists(orphan)


def test_another_directorys_processes_are_left_alone(directory: RehearsalDirectory, tmp_path: Path) -> None:
    longer = RehearsalDirectory(tmp_path / "dev2")
    with spawn(longer) as child:
        assert marked(directory) == []
        stop(directory)
        assert exists(child.pid)
        assert not is_marked(directory, child.pid)
        assert kill_marked(longer) == []
