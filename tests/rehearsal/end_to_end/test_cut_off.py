"""kill -9 in the middle of `up`, and of what keeps the state: the next run goes on without losing or doubling anything.

Afterwards, on the same rehearsal: a removed model goes, the other one stays.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from rehearsal.control_plane.processes import marked, wait_gone
from tests.rehearsal.end_to_end.command import ROOT, Rehearsal, is_ready, wait_until

pytestmark = pytest.mark.xdist_group("end to end")

STAYS, GOES = "qwen3-4b", "qwen3-8b"


def killed_once(rehearsal: Rehearsal, log: Path, seen: Callable[[], Any]) -> None:
    """A run whose command gets SIGKILL as soon as something is seen; the engine loses its program with it."""
    with log.open("wb") as output:
        command = [sys.executable, "-m", "serving", "rehearse", str(rehearsal.file), "--format", "json"]
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        wait_until(seen, lambda: process.poll() is None, lambda: log.read_text(encoding="utf-8"))
    finally:
        process.kill()
        process.wait()


def helm_installs(rehearsal: Rehearsal) -> Iterator[psutil.Process]:
    """Helm at work on a release."""
    for process in marked(rehearsal.directory):
        with contextlib.suppress(psutil.Error):
            if Path(process.exe()).name == "helm" and "install" in process.cmdline():
                yield process


def test_killed_early_and_while_helm_installs(two_models: Rehearsal, tmp_path: Path) -> None:
    early, later = tmp_path / "early.log", tmp_path / "later.log"
    killed_once(two_models, early, lambda: b"created      network-vpc" in early.read_bytes())
    assert two_models.state().get("pending_operations") or len(two_models.state()["resources"]) < 50
    killed_once(two_models, later, lambda: any(helm_installs(two_models)))
    cut_off = [op["resource"]["type"] for op in two_models.state().get("pending_operations") or []]
    assert any(kind.endswith(":Release") for kind in cut_off), cut_off
    done = two_models.rehearse()
    document = done.succeeded()
    assert any("were cut off" in note for note in document["notes"]), document["notes"]
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


@pytest.mark.parametrize("name", ["etcd", "kube-apiserver"])
def test_the_next_run_brings_back(name: str, dev: Rehearsal) -> None:
    resources = dev.state()["resources"]
    uids = {urn: found["metadata"]["uid"] for urn, found in dev.objects() if found}
    ended = dev.process(name)
    ended.kill()
    assert wait_gone([ended.pid], 30) == []
    assert dev.rehearse().succeeded()["summary"] == {"same": len(resources)}
    assert dev.process(name).pid != ended.pid
    dev.assert_nothing_twice()
    assert {urn: found["metadata"]["uid"] for urn, found in dev.objects() if found} == uids
    assert is_ready(dev.service("qwen2-5-3b"))
