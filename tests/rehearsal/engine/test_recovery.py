"""What a killed engine leaves behind is put in order before the next one looks at it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import psutil

from rehearsal.control_plane.processes import exists
from rehearsal.directory import RehearsalDirectory
from rehearsal.engine.recovery import end_engines, mend
from tests.rehearsal.idle import idle


def lock(directory: RehearsalDirectory, pid: int) -> None:
    path = directory.pulumi_backend / ".pulumi/locks/organization/tpu-serving/dev/one.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"pid": pid}), encoding="utf-8")


def sleeper(marks: dict[str, str]) -> subprocess.Popen[bytes]:
    return idle({**os.environ, **marks})


def test_half_a_file_beside_the_state_goes_and_a_whole_one_stays(tmp_path: Path) -> None:
    stacks = tmp_path / ".pulumi" / "stacks"
    stacks.mkdir(parents=True)
    for name, text in {"a.json": "", "a.json.attrs": "", "b.json.attrs": '{"user.content_type": "text/plain"}'}.items():
        (stacks / name).write_text(text, encoding="utf-8")
    mend(tmp_path)
    assert sorted(path.name for path in stacks.iterdir()) == ["a.json", "b.json.attrs"]


def test_an_engine_of_ours_that_lost_its_command_is_ended(tmp_path: Path) -> None:
    directory = RehearsalDirectory(tmp_path)
    process = sleeper(directory.environment)
    lock(directory, process.pid)
    end_engines(directory)
    assert not exists(process.pid)
    process.communicate()
    assert process.returncode == -signal.SIGKILL  # and not 0, with which a run that was cut off would look well


def test_somebodys_own_engine_is_left_alone(tmp_path: Path) -> None:
    directory = RehearsalDirectory(tmp_path)
    process = sleeper({})
    try:
        lock(directory, process.pid)
        end_engines(directory)
        assert psutil.pid_exists(process.pid) and process.poll() is None
    finally:
        process.communicate(b"\n")
