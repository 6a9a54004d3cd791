"""kill -9 at any moment: the next run starts from nothing and serves, and nothing of the old one is left.

Afterwards, on the same rehearsal: a removed model goes, the other one stays.
"""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import psutil
import pytest
import yaml

import cluster as kube
from rehearsal.control_plane.processes import marked
from tests.everything import some_of
from tests.rehearsal.end_to_end.command import Rehearsal, begun, is_ready, processes_of, wait_until

STAYS, GOES = "qwen3-4b", "qwen3-8b"
# A run says so many lines: of the control plane's start, and one for each resource.
_LINES = 80
MOMENTS = some_of(range(10), {0})


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
def test_after_a_kill_at_a_random_moment_the_next_run_serves(
    number: int, two_models: Rehearsal, tmp_path: Path
) -> None:
    lines = random.randint(1, _LINES)  # noqa: S311
    cut_off(two_models, tmp_path / "log", lines, everything=number % 2 == 0)
    old = set(processes_of(two_models.directory.root))
    print(f"killed after {lines} lines; {len(old)} processes outlived it")
    two_models.rehearse().succeeded()
    assert not old & set(processes_of(two_models.directory.root))
    two_models.assert_nothing_twice()
    assert is_ready(two_models.service(STAYS))
    assert is_ready(two_models.service(GOES))
    if number != MOMENTS[-1]:
        down_leaves_nothing(two_models)


def down_leaves_nothing(rehearsal: Rehearsal) -> None:
    """`down` ends with 0; no process, port or file is left."""
    ports = rehearsal.ports()
    rehearsal.down().succeeded()
    rehearsal.assert_gone(ports)


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
    done = two_models.down()
    [note] = done.succeeded()["notes"]
    assert note.startswith("the rehearsal was cut off before")
    two_models.assert_gone(ports)
