"""The alerts of an environment on the Prometheus of its rehearsal: silent under load, and each fault fires its own alone.

Waits are a hundredth of the policies'; windows of objectives are theirs. Runs with `make test-all`.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

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
from tests.rehearsal.end_to_end.test_undo import run_undone
from tests.rehearsal.end_to_end.traffic import client_of

pytestmark = of_everything
# Of causes; a rate over a hundredth of its window would have no two points.
_SCALE = 0.01
_ZONE = "europe-west4-a"
# Long answers and few places, so that some clients make a queue.
_FILE = f"""\
config:
  tpu-serving:project: {{id: example-project}}
  tpu-serving:location: {{zone: {_ZONE}}}
  tpu-serving:monitoring: {{objectives: {{availability: 99.5, timeToFirstTokenP95Ms: 1000}}}}
  tpu-serving:models:
    - name: told
      source: "hf://Qwen/Qwen3-0.6B"
      tpu: {{generation: v6e, topology: 1x1}}
      replicas: 2
      contextLength: 32768
      serverFlags: {{max-num-seqs: 2}}
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


def come(told: Rehearsal, wanted: set[str]) -> None:
    wait_until(lambda: firing(told) == wanted, lambda: True, lambda: f"{firing(told)}, not {wanted}", pause=0.5)


@contextmanager
def stopped(word: str, told: Rehearsal) -> Iterator[None]:
    """A process stopped that has a word among the ends of its command's words."""
    command = (p for p in marked(told.directory) if any(part.rsplit("/", 1)[-1] == word for part in p.cmdline()))
    found: psutil.Process = next(command)
    found.suspend()
    try:
        yield
    finally:
        if found.is_running():  # its probe may have ended it
            found.resume()


@contextmanager
def undone(rule: str, told: Rehearsal) -> Iterator[None]:
    """The fix of a known failure removed."""
    run_undone(told, rule)
    yield
    told.rehearse().succeeded()


@contextmanager
def flooded(told: Rehearsal) -> Iterator[None]:
    """Clients that wait for long answers, far more than there are places, and leave."""
    client = client_of(told)
    url = urlsplit(f"{client.url}/v1/chat/completions")
    body = json.dumps(client.body("Count", 32_000, stream=True))
    with ExitStack() as stack:
        for _ in range(240):
            connection = http.client.HTTPConnection(str(url.hostname), url.port)
            stack.callback(connection.close)
            connection.request("POST", url.path, body, {"Content-Type": "application/json"})
        yield


@contextmanager
def out_of_stock(told: Rehearsal) -> Iterator[None]:
    """A third replica in a zone without chips; then they come."""
    told.change(lambda config: config["tpu-serving:models"][0].update(replicas=3))
    assert told.rehearse("--stockout", _ZONE).code == 1
    yield
    told.rehearse().succeeded()


def test_nothing_fires_under_load(told: Rehearsal) -> None:
    come(told, set())
    client = client_of(told)
    assert {client.chat(f"{number} words").status_code for number in range(300)} == {200}
    assert firing(told) == set()
    done = serving("alerts", str(told.file), "--format", "json")
    assert (done.code, done.document["verdict"].partition(";")[0]) == (0, "nothing fires")


_FAULTS: dict[str, tuple[Callable[[Rehearsal], AbstractContextManager[None]], str]] = {
    "a picker stops": (partial(stopped, "epp"), "no-picker"),
    "a server stops": (partial(stopped, "rehearsal.model_server"), "server-missing"),
    "a flood": (flooded, "queue-long"),
    "the picker's configuration is wrong": (partial(undone, "KS10"), "no-picker"),
    "the zone has no chips": (out_of_stock, "pods-pending"),
}


@pytest.mark.parametrize("fault", _FAULTS)
def test_a_fault_fires_its_own_alert_which_ends_with_it(told: Rehearsal, fault: str) -> None:
    come(told, set())
    caused, alert = _FAULTS[fault]
    with caused(told):
        come(told, {alert})
    come(told, set())


def test_a_new_model_that_never_starts_fires_a_page_and_the_running_one_nothing(told: Rehearsal) -> None:
    """Last: the requests of `verify` to it fail, which burns the objective for as long as its windows are."""
    come(told, set())
    told.change(lambda config: config["tpu-serving:models"].append({**config["tpu-serving:models"][0], "name": "late"}))
    run_undone(told, "VL01")
    burns = {"availability-page", "availability-ticket"}
    wait_until(lambda: firing(told) - burns == {"no-endpoints"}, lambda: True, lambda: f"{firing(told)}", pause=0.5)
