"""`down` leaves nothing, whatever was there before; and what is refused starts nothing."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cluster.target import HOME
from rehearsal.control_plane.names import PROMETHEUS
from rehearsal.control_plane.processes import marked
from tests.rehearsal.end_to_end.command import Rehearsal, listening, processes_of, serving, wait_until
from tests.rehearsal.end_to_end.traffic import Client, Streamed, client_of


def load(client: Client, seen: list[Streamed]) -> None:
    """Ten streams at a time, until nobody listens at the Gateway's address."""
    while not any(stream.error.startswith("ConnectError") for stream in seen):
        seen += client.streams([f"{number} under load" for number in range(10)])


def test_down_under_load_leaves_no_process_no_port_and_no_file(dev: Rehearsal) -> None:
    root, ports = dev.directory.root, dev.ports()
    # Nobody asked for metrics.
    recorded = {port for name, port in dev.directory.load_record().ports.items() if name != PROMETHEUS}
    assert len(processes_of(root)) == len(marked(dev.directory)) > 10
    assert recorded <= {port for _, port in ports}
    assert ports <= listening()
    seen: list[Streamed] = []
    with ThreadPoolExecutor(1) as pool:
        loaded = pool.submit(load, client_of(dev), seen)
        wait_until(lambda: any(stream.done for stream in seen), lambda: not loaded.done(), lambda: str(seen))
        done = dev.down()
        loaded.result()
    assert done.succeeded() == {"environment": str(dev.file), "wasRunning": True, "notes": []}
    assert {state for state, _, _ in done.steps} == {"deleted"}
    dev.assert_gone(ports)


def test_down_of_what_does_not_run_is_content(shared: Rehearsal) -> None:
    for _ in range(2):
        code = shared.down().code
        assert code == 0
    assert shared.down().document["wasRunning"] is False
    assert not shared.directory.path.exists()


def test_down_of_something_unknown_is_refused() -> None:
    done = serving("down", "no-such-environment", "--format", "json")
    assert done.code == 2
    assert "no-such-environment" in done.out


def test_a_refused_file_starts_nothing(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.refused.yaml"
    file.write_text(
        "config:\n  tpu-serving:project: {id: example-project}\n  tpu-serving:tiers: dev\n", encoding="utf-8"
    )
    done = serving("rehearse", str(file), "--format", "json")
    assert done.code == 2
    assert "tiers" in json.dumps(json.loads(done.out))
    rehearsal = Rehearsal(file)
    assert not rehearsal.directory.path.exists()
    assert not list(HOME.glob("refused*"))
    assert processes_of(rehearsal.directory.root) == []
