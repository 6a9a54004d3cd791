"""The alerts of an environment on the Prometheus of its rehearsal: silent under load, and each fault fires its own.

Waits are a hundredth of the policies'; windows of objectives are theirs. Runs with `make test-all`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from checks.environment import require
from cluster.target import read_target
from manifests.alerts.alerts import alerts
from rehearsal import assets
from rehearsal.control_plane.processes import marked
from serving.alerts.prometheus import evaluate
from settings.document import read_document
from tests.everything import of_everything
from tests.rehearsal.end_to_end.command import Rehearsal, serving, wait_until
from tests.rehearsal.end_to_end.traffic import client_of

pytestmark = of_everything
# Of causes; a rate over a hundredth of its window would have no two points.
_SCALE = 0.01
_FILE = """\
config:
  tpu-serving:project: {id: example-project}
  tpu-serving:location: {zone: europe-west4-a}
  tpu-serving:monitoring: {objectives: {availability: 99.5, timeToFirstTokenP95Ms: 1000}}
  tpu-serving:models:
    - {name: told, source: "hf://Qwen/Qwen3-0.6B", tpu: {generation: v6e, topology: 1x1}, replicas: 2}
"""


@pytest.fixture(scope="module")
def told(binaries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    if not assets.find(["prometheus"]):
        pytest.skip("prometheus not found; `python -m rehearsal.assets prometheus` gets it")
    file = tmp_path_factory.mktemp("told") / "Pulumi.told.yaml"
    file.write_text(_FILE, encoding="utf-8")
    rehearsal = Rehearsal(file)
    try:
        rehearsal.rehearse("--metrics").succeeded()
        yield rehearsal
    finally:
        assert rehearsal.down().code == 0


def firing(told: Rehearsal) -> set[str]:
    target = read_target(told.directory.root)
    assert target is not None and target.prometheus is not None
    deployment, _ = require(read_document(told.file))
    whole, short = alerts(deployment), alerts(deployment, _SCALE)
    asked = [a if "times the budget" in a.conditions[0].title else b for a, b in zip(whole, short, strict=True)]
    held = evaluate(target.prometheus, [alert for alert in asked if not alert.of_google], time.time())
    return {one.alert.id for one in held if one.state == "firing"}


def process(told: Rehearsal, word: str) -> psutil.Process:
    """One that has a word among the ends of its command's words."""
    return next(p for p in marked(told.directory) if any(part.rsplit("/", 1)[-1] == word for part in p.cmdline()))


def come(told: Rehearsal, wanted: set[str]) -> None:
    wait_until(lambda: firing(told) == wanted, lambda: True, lambda: f"{firing(told)}, not {wanted}", pause=0.5)


def test_nothing_fires_under_load(told: Rehearsal) -> None:
    come(told, set())
    client = client_of(told)
    assert {client.chat(f"{number} words").status_code for number in range(60)} == {200}
    assert firing(told) == set()
    done = serving("alerts", str(told.file), "--format", "json")
    assert (done.code, done.document["verdict"].partition(";")[0]) == (0, "nothing fires")


@pytest.mark.parametrize(("stopped", "alert"), [("epp", "no-picker"), ("rehearsal.model_server", "server-missing")])
def test_what_stops_fires_its_own_alert_which_ends_with_it(told: Rehearsal, stopped: str, alert: str) -> None:
    come(told, set())
    found = process(told, stopped)
    found.suspend()
    try:
        come(told, {alert})
    finally:
        if found.is_running():  # its probe may have ended it
            found.resume()
    come(told, set())
