"""The rehearsal's cloud on disk: whole or absent, private, ordered, and complete by its own time."""

from __future__ import annotations

import multiprocessing
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rehearsal import cloud
from rehearsal.cloud import CloudResource

POOL = "gcp:container/nodePool:NodePool"
NETWORK = "gcp:compute/network:Network"


def pool(name: str, location: str = "europe-west4", ready_at: float = 0.0, **state: object) -> CloudResource:
    return CloudResource(
        POOL, name, f"projects/p/locations/{location}/nodePools/{name}", "p", location, state, ready_at
    )


def test_what_is_written_last_is_read_back_by_type_and_id_until_it_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "cloud"
    assert cloud.read_all(folder) == []
    assert cloud.find(folder, POOL, "x") is None
    cloud.remove(folder, POOL, "x")
    here, there = pool("b", version="1", nodeConfig={"machineType": "ct6e-standard-4t"}), pool("a", "us-central1")
    # A name of any form and length.
    name = "principal://iam.googleapis.com/projects/1/" + "x" * 400
    member = CloudResource("gcp:projects/iAMMember:IAMMember", name, f"p/roles/viewer/{name}", "p", None, {})
    for resource in (here, pool("a"), there, pool("b", version="2"), member, here):
        cloud.write(folder, resource)
    assert cloud.find(folder, POOL, here.id) == here
    assert cloud.find(folder, NETWORK, here.id) is None
    assert [(r.name, r.location) for r in cloud.read_all(folder, POOL)] == [
        ("a", "europe-west4"), ("a", "us-central1"), ("b", "europe-west4"),
    ]  # fmt: skip
    cloud.remove(folder, POOL, pool("a").id)
    assert cloud.read_all(folder) == [there, here, member]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.glob("*")} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_resource_is_provisioning_until_its_time(tmp_path: Path) -> None:
    soon, done = pool("soon", ready_at=time.time() + 3600), pool("done", ready_at=time.time() - 1)
    cloud.write(tmp_path, soon)
    cloud.write(tmp_path, done)
    assert (soon.status, done.status) == ("PROVISIONING", "RUNNING")
    assert [r.name for r in cloud.read_all(tmp_path)] == ["done"]
    assert [r.name for r in cloud.read_all(tmp_path, provisioning=True)] == ["done", "soon"]


def test_readers_never_see_half_a_resource(tmp_path: Path) -> None:
    content: dict[str, Any] = {"text": "x" * 20_000}
    cloud.write(tmp_path, pool("tpu", **content))

    def read(_: int) -> list[CloudResource]:
        return cloud.read_all(tmp_path)

    with ThreadPoolExecutor(4) as threads:
        seen = threads.map(read, range(200))
        for _ in range(100):
            cloud.write(tmp_path, pool("tpu", **content))
        assert all([r.state for r in resources] == [content] for resources in seen)


def _count(folder: Path, times: int) -> None:
    for _ in range(times):
        with cloud.exclusive(folder):
            found = cloud.find(folder, POOL, pool("counter").id)
            number = int(found.state["number"]) if found else 0
            cloud.write(folder, pool("counter", number=number + 1))


def test_the_lock_holds_between_processes(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_count, args=(tmp_path, 50)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert cloud.read_all(tmp_path)[0].state == {"number": 150}
