"""The rehearsal's cloud on disk: whole or absent, private, ordered, and complete by its own time."""

from __future__ import annotations

import json
import multiprocessing
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rehearsal import cloud
from rehearsal.cloud import CloudResource

POOL = "gcp:container/nodePool:NodePool"
NETWORK = "gcp:compute/network:Network"


def pool(name: str, location: str = "europe-west4", ready_at: float = 0.0, **state: object) -> CloudResource:
    return CloudResource(
        POOL, name, f"projects/p/locations/{location}/nodePools/{name}", "p", location, state, ready_at
    )


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    written = pool("tpu", nodeConfig={"machineType": "ct6e-standard-4t"}, nodeLocations=["a", "b"])
    cloud.write(tmp_path, written)
    assert cloud.read_all(tmp_path) == [written]
    assert cloud.find(tmp_path, POOL, written.id) == written
    assert cloud.find(tmp_path, NETWORK, written.id) is None


def test_nothing_is_there_before_the_first_write(tmp_path: Path) -> None:
    assert cloud.read_all(tmp_path / "absent") == []
    assert cloud.find(tmp_path / "absent", POOL, "x") is None
    cloud.remove(tmp_path / "absent", POOL, "x")


def test_one_type_or_all(tmp_path: Path) -> None:
    network = CloudResource(NETWORK, "vpc", "projects/p/global/networks/vpc", "p", None, {})
    for resource in (pool("b"), network, pool("a")):
        cloud.write(tmp_path, resource)
    assert [r.name for r in cloud.read_all(tmp_path, POOL)] == ["a", "b"]
    assert {r.name for r in cloud.read_all(tmp_path)} == {"a", "b", "vpc"}


def test_the_same_name_in_two_places_is_two_resources(tmp_path: Path) -> None:
    here, there = pool("tpu"), pool("tpu", "us-central1")
    cloud.write(tmp_path, here)
    cloud.write(tmp_path, there)
    cloud.remove(tmp_path, POOL, here.id)
    assert cloud.read_all(tmp_path) == [there]


def test_a_name_of_any_form_and_length_is_kept(tmp_path: Path) -> None:
    name = "principal://iam.googleapis.com/projects/1/" + "x" * 400
    resource = CloudResource("gcp:projects/iAMMember:IAMMember", name, f"p/roles/viewer/{name}", "p", None, {})
    cloud.write(tmp_path, resource)
    assert cloud.read_all(tmp_path) == [resource]


def test_a_second_write_replaces_the_first(tmp_path: Path) -> None:
    cloud.write(tmp_path, pool("tpu", version="1"))
    cloud.write(tmp_path, pool("tpu", version="2"))
    assert [r.state for r in cloud.read_all(tmp_path)] == [{"version": "2"}]


def test_files_are_private(tmp_path: Path) -> None:
    cloud.write(tmp_path / "cloud", pool("tpu"))
    assert [stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "cloud").glob("*")] == [0o600]
    assert stat.S_IMODE((tmp_path / "cloud").stat().st_mode) == 0o700


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


@pytest.fixture
def limits(tmp_path: Path) -> Path:
    (tmp_path / "quota.json").write_text(json.dumps({"europe-west4": {"CT6E": 8}}), encoding="utf-8")
    return tmp_path


def test_there_is_no_limit_but_the_written_one(limits: Path, tmp_path: Path) -> None:
    assert cloud.chip_limit(limits, "europe-west4", "CT6E") == 8
    assert cloud.chip_limit(limits, "europe-west4", "CT5P") is None
    assert cloud.chip_limit(limits, "us-central1", "CT6E") is None
    assert cloud.chip_limit(tmp_path / "absent", "europe-west4", "CT6E") is None
