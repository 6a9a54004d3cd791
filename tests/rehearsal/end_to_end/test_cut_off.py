"""kill -9 in the middle of `up`, and of what keeps the state: the next run goes on without losing or doubling anything.

Afterwards, on the same rehearsal: a removed model goes, the other one stays.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

import cluster as kube
from rehearsal.control_plane.processes import marked
from tests.rehearsal.end_to_end.command import Rehearsal, begun, is_ready, wait_until

pytestmark = pytest.mark.xdist_group("other environments")

STAYS, GOES = "qwen3-4b", "qwen3-8b"
# Seconds within which a command notices that what it works with is gone; a ceiling, on a machine however busy.
_ENDS = 300


def cut_off(rehearsal: Rehearsal, log: Path, seen: Callable[[], Any], victim: Callable[[int], int]) -> int:
    """A run in which a process gets SIGKILL as soon as something is seen: the one that `victim` chooses, given the
    command's own. How the command ended."""
    with begun(log, "rehearse", str(rehearsal.file), "--format", "json") as process:
        wait_until(seen, lambda: process.poll() is None, lambda: log.read_text(encoding="utf-8"))
        os.kill(victim(process.pid), signal.SIGKILL)
        code = process.wait(_ENDS)
    assert "Traceback" not in log.read_text(encoding="utf-8")
    return code


def helm_installs(rehearsal: Rehearsal) -> list[int]:
    """Helm at work on a release."""
    return running(rehearsal, "helm", "install")


def running(rehearsal: Rehearsal, program: str, word: str) -> list[int]:
    """Its processes of one program with a word on the command line."""
    found = {}
    for process in marked(rehearsal.directory):
        with contextlib.suppress(psutil.Error):
            if Path(process.exe()).name == program and word in process.cmdline():
                found[process.pid] = process.ppid()
    # A process that starts another program is two of itself for a moment.
    return [pid for pid, parent in found.items() if parent not in found]


def engine(rehearsal: Rehearsal) -> int:
    """The engine that works on the stack."""
    (found,) = running(rehearsal, "pulumi", "up")
    return found


def down_leaves_nothing(rehearsal: Rehearsal, ports: set[tuple[str, int]]) -> None:
    """`down` ends with 0; no process, port or file is left."""
    ports |= rehearsal.ports()
    rehearsal.down().succeeded()
    rehearsal.assert_gone(ports)


def test_down_ends_an_up_that_was_killed(two_models: Rehearsal, tmp_path: Path) -> None:
    log = tmp_path / "log"
    seen = "created      network-vpc"
    assert cut_off(two_models, log, lambda: seen in log.read_text(encoding="utf-8"), lambda command: command) < 0
    down_leaves_nothing(two_models, set())


def test_killed_at_every_stage_the_next_run_goes_on(two_models: Rehearsal, tmp_path: Path) -> None:
    log = tmp_path / "log"

    def reads(text: str) -> Callable[[], bool]:
        return lambda: text in log.read_text(encoding="utf-8")

    def process(name: str) -> Callable[[int], int]:
        return lambda _: two_models.process(name).pid

    code = cut_off(two_models, log, reads("created      network-vpc"), lambda command: command)
    assert code == -signal.SIGKILL
    assert two_models.state().get("pending_operations") or len(two_models.state()["resources"]) < 50
    code = cut_off(two_models, log, lambda: helm_installs(two_models), lambda _: engine(two_models))
    assert code == 1
    assert "the engine was ended by SIGKILL" in log.read_text(encoding="utf-8")
    assert "Warning" not in log.read_text(encoding="utf-8")
    interrupted = [op["resource"]["type"] for op in two_models.state().get("pending_operations") or []]
    assert any(kind.endswith(":Release") for kind in interrupted), interrupted
    assert cut_off(two_models, log, reads("gateway-object (Gateway)"), process("etcd")) == 1
    assert f"settled {len(interrupted)} operations that were cut off" in log.read_text(encoding="utf-8")
    assert cut_off(two_models, log, reads("kserve-webhooks-job (Job)"), process("supervisor")) == 1
    two_models.rehearse().succeeded()
    two_models.assert_nothing_twice()
    assert is_ready(two_models.service(STAYS))
    assert is_ready(two_models.service(GOES))


def test_a_removed_model_goes_and_the_other_stays(two_models: Rehearsal) -> None:
    two_models.running()
    stays, before = two_models.service(STAYS), {urn: found for urn, found in two_models.objects() if found}
    two_models.change(lambda config: config.update({"tpu-serving:models": config["tpu-serving:models"][:1]}))
    preview, run = two_models.rehearse("--preview"), two_models.rehearse()
    assert preview.succeeded()["summary"] == run.succeeded()["summary"]
    of_model = {urn.rpartition("::")[2] for urn in before if GOES in urn}
    assert {name for state, _, name in run.steps if state == "deleted"} >= of_model
    assert all(GOES in name for state, _, name in run.steps if state == "deleted")
    assert {(kind, name) for _, kind, name in preview.steps} == {(kind, name) for _, kind, name in run.steps}
    assert two_models.service(GOES) is None
    two_models.assert_nothing_twice()
    now = two_models.service(STAYS)
    assert stays is not None
    assert now is not None
    assert is_ready(now)
    assert (now["metadata"]["uid"], now["metadata"]["generation"]) == (
        stays["metadata"]["uid"],
        stays["metadata"]["generation"],
    )


def test_two_environments_at_once_share_nothing(prod: Rehearsal, two_models: Rehearsal) -> None:
    both = [prod, two_models.running()]
    one, other = ({process.pid for process in marked(rehearsal.directory)} for rehearsal in both)
    assert one and other and not one & other
    assert not prod.ports() & two_models.ports()
    for rehearsal in both:
        config = yaml.safe_load(rehearsal.file.read_text(encoding="utf-8"))["config"]
        models = sorted(model["name"] for model in config["tpu-serving:models"])
        found = kube.list_objects(rehearsal.client, "serving.kserve.io/v1alpha2", "LLMInferenceService")
        assert sorted(service["metadata"]["name"] for service in found) == models
        assert all(map(is_ready, found))


def test_down_that_was_killed_is_finished_by_the_next(two_models: Rehearsal, tmp_path: Path) -> None:
    log, ports = tmp_path / "log", two_models.running().ports()
    with begun(log, "down", str(two_models.file)) as process:
        wait_until(
            lambda: " deleted " in log.read_text(encoding="utf-8"),
            lambda: process.poll() is None,
            lambda: log.read_text(encoding="utf-8"),
        )
    two_models.process("supervisor").kill()
    down_leaves_nothing(two_models, ports)
