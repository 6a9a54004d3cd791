"""What a run says beside its result, and that an engine whose control plane has ended is ended too."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal import run
from rehearsal.control_plane import ControlPlaneError, leftovers, stop
from rehearsal.control_plane.processes import kill_marked
from rehearsal.directory import RehearsalDirectory
from rehearsal.engine.engine import EngineError


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RehearsalDirectory]:
    monkeypatch.setattr(run, "_PERIOD_SECONDS", 0.01)
    made = RehearsalDirectory(tmp_path / "dev")
    made.create()
    yield made
    kill_marked(made)


def idle(directory: RehearsalDirectory, code: str = "") -> subprocess.Popen[bytes]:
    """A process of the rehearsal that does nothing. Until a program runs, its environment can't be read."""
    command = [sys.executable, "-c", f"{code}\nprint(flush=True); import time; time.sleep(600)"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **directory.environment})
    assert process.stdout is not None
    process.stdout.readline()
    return process


@pytest.mark.parametrize(("failure", "said"), [("", "its supervisor was killed"), ("etcd was ended", "etcd was ended")])
def test_the_engine_ends_with_its_control_plane(directory: RehearsalDirectory, failure: str, said: str) -> None:
    supervisor, engine = idle(directory), idle(directory)
    record = directory.load_record()
    record.pids, record.failure = {"supervisor": supervisor.pid}, failure
    directory.save_record(record)
    with pytest.raises(ControlPlaneError, match=f"it starts from nothing. {said}"), run.watched(directory):  # noqa: PT012
        assert engine.poll() is None
        supervisor.kill()
        supervisor.wait()
        engine.wait()
        raise EngineError("the engine was ended by SIGKILL")


def test_an_engine_that_fails_on_a_whole_control_plane_is_quoted(directory: RehearsalDirectory) -> None:
    record = directory.load_record()
    record.pids = {"supervisor": idle(directory).pid}
    directory.save_record(record)
    with pytest.raises(EngineError, match="no quota"), run.watched(directory):
        raise EngineError("no quota")


def test_every_unknown_image_is_named_once(tmp_path: Path) -> None:
    directory = RehearsalDirectory(tmp_path)
    assert run.unknown_images(directory) == []
    directory.unknown_images.write_text("a c example.com/x:1\nb c example.com/x:1\n", encoding="utf-8")
    [said] = run.unknown_images(directory)
    assert "example.com/x:1" in said


def test_a_stop_ends_also_who_ignores_sigterm_and_leaves_other_rehearsals_alone(
    directory: RehearsalDirectory, tmp_path: Path
) -> None:
    longer = RehearsalDirectory(tmp_path / "dev2")
    other, mine = idle(longer), idle(directory, "import signal; signal.signal(15, signal.SIG_IGN)")
    assert leftovers(directory)[0].startswith(f"process {mine.pid} (")
    stop(directory)
    assert (mine.wait(), other.poll()) == (-9, None)
    assert kill_marked(longer) == []
    other.wait()
