"""Finding and ending what carries a rehearsal's mark, and nothing else."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.control_plane import leftovers, stop
from rehearsal.control_plane.processes import exists, is_marked, kill_marked, marked
from rehearsal.directory import RehearsalDirectory

LISTEN = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); "


def spawn(directory: RehearsalDirectory, code: str) -> subprocess.Popen[str]:
    environment = {**os.environ, **directory.environment}
    return subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[RehearsalDirectory]:
    made = RehearsalDirectory(tmp_path / "dev")
    yield made
    kill_marked(made)


def test_a_marked_process_and_its_port_are_found_and_ended(directory: RehearsalDirectory) -> None:
    with spawn(directory, LISTEN + "time.sleep(600)") as child:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        assert is_marked(directory, child.pid)
        found = leftovers(directory)
        assert found[0].startswith(f"process {child.pid} (")
        assert found[1:] == [f"port 127.0.0.1:{port} of process {child.pid}"]
        stop(directory)
        assert not exists(child.pid)
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert leftovers(directory) == []


def test_one_that_ignores_sigterm_is_ended_too(directory: RehearsalDirectory) -> None:
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
    with spawn(directory, code) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert kill_marked(directory) == []
    assert child.returncode == -9


def test_another_directorys_processes_are_left_alone(directory: RehearsalDirectory, tmp_path: Path) -> None:
    longer = RehearsalDirectory(tmp_path / "dev2")
    with spawn(longer, "import time; print(1, flush=True); time.sleep(600)") as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert marked(directory) == []
        stop(directory)
        assert exists(child.pid)
        assert not is_marked(directory, child.pid)
        assert kill_marked(longer) == []


def test_a_marked_command_does_not_end_itself(directory: RehearsalDirectory) -> None:
    code = (
        "import pathlib, sys; from rehearsal.control_plane import stop; from rehearsal.directory import RehearsalDirectory\n"
        f"stop(RehearsalDirectory(pathlib.Path({str(directory.root)!r}))); print('still here')"
    )
    with spawn(directory, code) as child:
        assert child.communicate()[0] == "still here\n"


def test_a_process_that_waits_to_be_collected_has_ended(directory: RehearsalDirectory) -> None:
    with spawn(directory, "") as child:
        assert child.stdout is not None
        assert child.stdout.read() == ""
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not exists(child.pid)
