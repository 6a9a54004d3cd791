"""kill -9 at any moment: the next run starts from nothing and serves, and nothing of the old one is left.

Afterwards, on the same rehearsal of prod with a second model: a removed model goes, the other one stays.
"""

from __future__ import annotations

import contextlib
import random
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

import cluster as kube
from rehearsal.control_plane.processes import marked
from tests.everything import some_of
from tests.rehearsal.end_to_end.command import Rehearsal, begun, is_ready, processes_of, wait_until
from tests.rehearsal.end_to_end.conftest import SECOND

STAYS = "qwen2-5-3b"
# A run says so many lines: of the control plane's start, and one for each resource.
_LINES = 80
# Ten kill everything, two the command alone.
MOMENTS = some_of(range(12), {0})


def cut_off(rehearsal: Rehearsal, log: Path, lines: int, *, everything: bool) -> None:
    """Kill an `up` once it has said so many lines: its command, or everything of it."""
    with begun(log, "rehearse", str(rehearsal.file), "--format", "json") as command:
        wait_until(
            lambda: command.poll() is not None or len(log.read_text(encoding="utf-8").splitlines()) >= lines,
            lambda: True,
            lambda: log.read_text(encoding="utf-8"),
        )
        for process in marked(rehearsal.directory) if everything else ():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
    assert "Traceback" not in log.read_text(encoding="utf-8")


@pytest.mark.parametrize("number", MOMENTS)
def test_after_a_kill_at_a_random_moment_the_next_run_serves(number: int, prod: Rehearsal, tmp_path: Path) -> None:
    if prod.directory.path.exists():
        prod.down_leaves_nothing()
    lines = random.randint(1, _LINES)  # noqa: S311
    cut_off(prod, tmp_path / "log", lines, everything=number < 10)
    old = set(processes_of(prod.directory.root))
    print(f"killed after {lines} lines; {len(old)} processes outlived it")
    begin = time.monotonic()
    prod.up = prod.rehearse().succeeded()
    print(f"the next run served after {time.monotonic() - begin:.0f} s")
    assert not old & set(processes_of(prod.directory.root))
    prod.assert_nothing_twice()
    assert is_ready(prod.service(STAYS))
    assert is_ready(prod.service(SECOND))


def nodes(rehearsal: Rehearsal, topology: str) -> list[str]:
    """The nodes with TPUs of a topology."""
    selector = f"cloud.google.com/gke-tpu-topology={topology}"
    return [
        node["metadata"]["name"] for node in kube.list_objects(rehearsal.client, "v1", "Node", label_selector=selector)
    ]


def test_a_removed_model_goes_and_the_other_stays(prod: Rehearsal) -> None:
    prod.running()
    assert nodes(prod, "1x1")
    stays, before = prod.service(STAYS), {urn: found for urn, found in prod.objects() if found}

    def remove(config: dict[str, Any]) -> None:
        del config["tpu-serving:models"][1]

    prod.change(remove)
    preview, run = prod.rehearse("--preview"), prod.rehearse()
    assert preview.succeeded()["summary"] == run.succeeded()["summary"]
    of_model = {urn.rpartition("::")[2] for urn in before if SECOND in urn}
    assert of_model
    assert {name for state, _, name in run.steps if state == "deleted"} >= of_model
    gone = {name for state, _, name in run.steps if state == "deleted"} - of_model
    assert [name for name in gone if SECOND not in name and "1x1" not in name] == []
    assert {(kind, name) for _, kind, name in preview.steps} == {(kind, name) for _, kind, name in run.steps}
    assert prod.service(SECOND) is None
    # GKE drains the nodes of the deleted pool, and takes them away.
    wait_until(lambda: not nodes(prod, "1x1"), lambda: True, lambda: str(nodes(prod, "1x1")))
    assert nodes(prod, "2x2")
    prod.assert_nothing_twice()
    now = prod.service(STAYS)
    assert stays is not None and now is not None
    assert is_ready(now)
    assert [now["metadata"][key] for key in ("uid", "generation")] == [
        stays["metadata"][key] for key in ("uid", "generation")
    ]
