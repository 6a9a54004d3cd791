"""An engine whose control plane has ended is ended too, and the error says why."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from rehearsal import guard
from rehearsal.control_plane import ControlPlaneError
from rehearsal.control_plane.names import SUPERVISOR
from rehearsal.directory import ProcessRecord, RehearsalDirectory
from rehearsal.engine.engine import EngineError
from rehearsal.guard import Guard
from tests.rehearsal.idle import idle


def marked(directory: RehearsalDirectory) -> subprocess.Popen[bytes]:
    """A process of the rehearsal that does nothing until it is ended."""
    return idle({**os.environ, **directory.environment})


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RehearsalDirectory:
    monkeypatch.setattr(guard, "_PERIOD_SECONDS", 0.01)
    made = RehearsalDirectory(tmp_path)
    made.create()
    return made


@pytest.mark.parametrize(("failure", "said"), [("", "its supervisor was killed"), ("etcd was ended", "etcd was ended")])
def test_the_engine_ends_with_its_control_plane(directory: RehearsalDirectory, failure: str, said: str) -> None:
    supervisor, engine = marked(directory), marked(directory)
    lock = directory.pulumi_backend / ".pulumi/locks/organization/tpu-serving/dev/one.json"
    lock.parent.mkdir(parents=True)
    lock.write_text(json.dumps({"pid": engine.pid}), encoding="utf-8")
    with directory.change_record() as record:
        record.pids, record.failure = {SUPERVISOR: ProcessRecord(pid=supervisor.pid, started=0)}, failure
    with pytest.raises(ControlPlaneError, match=f"goes on from there. {said}"), Guard(directory):  # noqa: PT012
        assert engine.poll() is None
        supervisor.kill()
        supervisor.wait()
        engine.wait(60)
        raise EngineError("the engine was ended by SIGKILL")


def test_an_engine_that_fails_on_a_healthy_control_plane_is_quoted(directory: RehearsalDirectory) -> None:
    supervisor = marked(directory)
    with directory.change_record() as record:
        record.pids = {SUPERVISOR: ProcessRecord(pid=supervisor.pid, started=0)}
    with pytest.raises(EngineError, match="no quota"), Guard(directory):
        raise EngineError("no quota")
    supervisor.communicate(b"\n")
