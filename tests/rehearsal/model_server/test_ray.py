"""A multi-host slice: our own leader and worker scripts, run by a shell as the kubelet runs them."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from checks.environment import require
from manifests.server import leader_script, worker_script
from settings.document import ROOT, read_document
from tests.rehearsal.end_to_end.command import wait_until
from tests.rehearsal.model_server.conftest import Server
from tests.rehearsal.plane import HANGS

# Addresses of two pods of this run: Ray's port and the server's are the same in every pod.
LEADER, WORKER = (f"127.61.{os.getpid() % 250}.{last}" for last in (10, 11))
PROGRAMS = {"vllm": "rehearsal.model_server", "ray": "rehearsal.model_server.ray"}


class Pod:
    """A container that runs a script, with the image's programs in front of the path."""

    def __init__(self, folder: Path, address: str, script: str) -> None:
        folder.mkdir()
        for name, module in PROGRAMS.items():
            shim = folder / name
            shim.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m {module} "$@"\n', encoding="utf-8")
            shim.chmod(0o700)
        self.log_file = folder / "log"
        given = {"TPU_SERVING_POD_IP": address, "TPU_MULTIHOST_BACKEND": "ray", "REHEARSAL_SPEED": "30"}
        given |= {"PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "LWS_LEADER_ADDRESS": LEADER}
        given |= {"LWS_GROUP_SIZE": "2"}
        command = ["/bin/bash", "-c", script.replace("sleep 5", "sleep 0.1")]
        with self.log_file.open("wb") as output:
            self.process = subprocess.Popen(
                command, env={**os.environ, **given}, stdout=output, stderr=output, start_new_session=True
            )

    def until_logged(self, text: str) -> None:
        """Wait for a text in its log."""
        wait_until(
            lambda: text in self.log_file.read_text(), lambda: self.process.poll() is None, self.log_file.read_text
        )

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def pods() -> Iterator[list[Pod]]:
    made: list[Pod] = []
    yield made
    for pod in made:
        pod.kill()


def test_the_leader_answers_once_its_worker_has_joined_and_ends_when_it_is_gone(
    tmp_path: Path, pods: list[Pod]
) -> None:
    deployment, _ = require(read_document(ROOT / "examples" / "multi-host.yaml"))
    pods.append(Pod(tmp_path / "worker", WORKER, worker_script()))
    pods[0].until_logged("waiting for the leader")
    pods.append(Pod(tmp_path / "leader", LEADER, leader_script(deployment.models[0])))
    server = Server(pods[1].process, f"http://{LEADER}:8000", pods[1].log_file).until_ready()
    assert server.chat().status_code == 200
    pods[0].kill()
    assert pods[1].process.wait(HANGS) == 1
    assert "RayWorkerProc died unexpectedly" in server.log


def test_a_leader_whose_worker_has_not_joined_in_time_ends_as_the_runtime_does(tmp_path: Path, pods: list[Pod]) -> None:
    script = "ray start --head --port=6379; exec vllm serve /mnt/models --tensor-parallel-size=16"
    pods.append(Pod(tmp_path / "leader", LEADER, script))
    assert pods[0].process.wait(HANGS) == 1
    words = "ValueError: Insufficient devices for 2D mesh: found 8, expected 16"
    assert words in pods[0].log_file.read_text()
