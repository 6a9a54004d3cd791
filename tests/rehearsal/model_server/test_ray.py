"""A multi-host slice: our own leader and worker scripts, run by a shell as the kubelet runs them."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from checks.environment import require
from manifests.server import leader_script, worker_script
from rehearsal.model_server import ray_cluster
from rehearsal.model_server.ray import main
from settings.document import ROOT, read_document
from tests.rehearsal.model_server.conftest import HANGS, Server, free_port, wait_for

# Addresses of two pods of this run: Ray's port and the server's are the same in every pod.
LEADER, WORKER = (f"127.61.{os.getpid() % 250}.{last}" for last in (10, 11))


class Pod:
    """A container that runs a script, with the image's programs in front of the path."""

    def __init__(self, folder: Path, address: str, script: str, **variables: str) -> None:
        programs, temporary = folder / "bin", folder / "tmp"
        programs.mkdir(parents=True)
        temporary.mkdir()
        for name, module in (("vllm", "rehearsal.model_server"), ("ray", "rehearsal.model_server.ray")):
            shim = programs / name
            shim.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m {module} "$@"\n', encoding="utf-8")
            shim.chmod(0o700)
        self._log = folder / "log"
        environment = {
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(temporary),
            "TPU_SERVING_POD_IP": address,
            "TPU_MULTIHOST_BACKEND": "ray",
            "REHEARSAL_SPEED": "30",
            **variables,
        }
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                ["/bin/bash", "-c", script], env=environment, stdout=output, stderr=output, start_new_session=True
            )

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def until_logged(self, text: str) -> None:
        """Wait for a text in its log."""
        wait_for(lambda: text in self.log, lambda: self.process.poll() is None, lambda: self.log)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def exit_code(self) -> int:
        """When it has ended; the rest of its group ends too, as in a pod."""
        code = self.process.wait(HANGS)
        self.kill()
        return code


@pytest.fixture
def pods() -> Iterator[list[Pod]]:
    made: list[Pod] = []
    yield made
    for pod in made:
        pod.kill()


def _scripts() -> tuple[str, str]:
    deployment, _ = require(read_document(ROOT / "examples" / "multi-host.yaml"))
    [model] = deployment.models
    assert model.shape.hosts == 2
    return leader_script(model), worker_script()


def until_joined(pod: Pod, count: int) -> None:
    """Wait until the leader's head has so many hosts."""

    def joined() -> bool:
        try:
            return len(ray_cluster.nodes_of(LEADER, 6379)) == count
        except OSError:
            return False

    wait_for(joined, lambda: pod.process.poll() is None, lambda: pod.log)


def test_the_leader_answers_once_its_worker_has_joined_and_ends_when_it_is_gone(
    tmp_path: Path, pods: list[Pod]
) -> None:
    leader, worker = _scripts()
    pods.append(Pod(tmp_path / "worker", WORKER, worker.replace("sleep 5", "sleep 0.1"), LWS_LEADER_ADDRESS=LEADER))
    pods[0].until_logged("waiting for the leader")
    pods.append(Pod(tmp_path / "leader", LEADER, leader))
    server = Server(pods[1].process, 8000, tmp_path / "leader" / "log")
    server.client.base_url = f"http://{LEADER}:8000"
    server.until_ready()
    assert server.chat().status_code == 200
    pods[0].kill()
    assert pods[1].exit_code() == 1
    assert "RayWorkerProc died unexpectedly" in pods[1].log


def test_a_leader_whose_worker_has_not_joined_in_time_ends_as_vllm_does(tmp_path: Path, pods: list[Pod]) -> None:
    serve = "exec vllm serve /mnt/models --pipeline-parallel-size=2"
    pods.append(Pod(tmp_path / "leader", LEADER, f"ray start --head --port=6379; {serve}"))
    assert pods[0].exit_code() == 1
    assert "AssertionError: Cannot use PP across hosts, please set --pipeline-parallel-size to 1 or 1" in pods[0].log


def test_ray_status_lists_a_node_a_line_so_that_a_script_can_wait_for_them(tmp_path: Path, pods: list[Pod]) -> None:
    waiting = """until [ "$(ray status | grep -c '^ 1 node_')" -ge 2 ]; do sleep 0.1; done; echo full"""
    pods.append(Pod(tmp_path / "leader", LEADER, f"ray start --head --port=6379; {waiting}; exec sleep 600"))
    until_joined(pods[0], 1)
    assert "full" not in pods[0].log
    pods.append(Pod(tmp_path / "worker", WORKER, worker_script(), LWS_LEADER_ADDRESS=LEADER))
    pods[0].until_logged("full")


def test_the_head_ends_with_its_container_and_the_worker_notices(tmp_path: Path, pods: list[Pod]) -> None:
    pods.append(Pod(tmp_path / "leader", LEADER, "ray start --head --port=6379; exec sleep 600"))
    until_joined(pods[0], 1)
    pods.append(Pod(tmp_path / "worker", WORKER, f"exec ray start --address={LEADER}:6379 --block"))
    until_joined(pods[0], 2)
    # Only the container's main process is killed: the head is not its child.
    pods[0].process.kill()
    pods[0].process.wait()
    assert pods[1].exit_code() == 1
    assert "is gone" in pods[1].log
    with pytest.raises(ConnectionRefusedError):
        ray_cluster.nodes_of(LEADER, 6379)


def test_a_worker_without_a_leader_says_so_and_can_be_tried_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["start", f"--address=127.0.0.1:{free_port()}", "--block"]) == 1
    assert "can't connect to the cluster" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["start", "--head", "--block"], ["start", "--address=x:1"], ["start"], ["stop"]])
def test_what_is_not_offered_ends_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_a_name_that_nobody_knows_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TPU_SERVING_REHEARSAL", raising=False)
    with pytest.raises(socket.gaierror):
        ray_cluster.resolve("llama-0.llama.models")
