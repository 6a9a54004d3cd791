"""Creation takes its scaled time, goes on without whoever waited, and of two that exclude each other one wins."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from catalog.durations import seconds_of
from rehearsal import cloud
from rehearsal.directory import Record
from rehearsal.plugins.frame import ProviderError
from rehearsal.plugins.gcp.provider import GcpProvider
from rehearsal.plugins.gcp.world import ADDRESS, CLUSTER, NETWORK, NODE_POOL, SUBNETWORK
from tests.rehearsal.plugins.gcp.scene import PROJECT, REGION, ZONE, Scene, resource

NEVER = 1e6  # a time scale at which nothing is ever finished


def test_creation_is_awaited_as_long_as_the_catalogue_says(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.prepare(NODE_POOL)
    scene.directory.save_record(Record(time_scale=0.5))
    waited: list[float] = []
    monkeypatch.setattr(scene.provider.cancelled, "wait", waited.append)
    before = time.time()
    made, _ = scene.make(NODE_POOL)
    found = scene.found(NODE_POOL, made)
    assert found is not None
    expected = 0.5 * seconds_of(NODE_POOL, {})
    assert waited == [expected]
    assert before + expected <= found.ready_at <= time.time() + expected


def test_what_is_being_made_is_there_but_not_ready(scene: Scene) -> None:
    """As it is found when the engine was killed: Read knows it, a second creation is told so."""
    scene.directory.save_record(Record(time_scale=NEVER))
    with _creating(scene, NETWORK) as made:
        found = scene.found(NETWORK, made)
        assert found is not None and found.status == "PROVISIONING"
        assert cloud.read_all(scene.directory.cloud, NETWORK) == []
        another = GcpProvider(scene.directory)
        read = another.read(resource(NETWORK), made, scene.inputs(NETWORK), {})
        assert read is not None and read.inputs == scene.inputs(NETWORK)
        with pytest.raises(ProviderError, match="already exists"):
            another.create(resource(NETWORK), scene.inputs(NETWORK), 0, False)


def test_a_cancel_ends_the_wait_and_keeps_the_resource(scene: Scene) -> None:
    scene.directory.save_record(Record(time_scale=NEVER))
    answers: list[tuple[str, dict[str, Any]]] = []
    thread = threading.Thread(target=lambda: answers.append(scene.make(NETWORK)))
    thread.start()
    scene.provider.cancelled.set()
    thread.join(60)
    assert answers and scene.found(NETWORK, answers[0][0]) is not None


@pytest.mark.parametrize("attempt", range(5))
def test_of_overlapping_subnetworks_exactly_one_is_made(tmp_path: Path, attempt: int) -> None:
    scene = Scene(tmp_path)
    scene.make(NETWORK)

    def one(number: int) -> None:
        # As two engines would: each with a plugin of its own.
        provider = GcpProvider(scene.directory)
        inputs = scene.inputs(SUBNETWORK, name=f"nodes-{number}", secondaryIpRanges=None)
        provider.create(resource(SUBNETWORK), inputs, 0, False)

    assert _won(one, 8) == 1
    assert len(cloud.read_all(scene.directory.cloud, SUBNETWORK)) == 1


def test_of_many_active_proxy_only_subnetworks_exactly_one_is_made(scene: Scene) -> None:
    scene.make(NETWORK)

    def one(number: int) -> None:
        changes = {"secondaryIpRanges": None, "privateIpGoogleAccess": None, "purpose": "REGIONAL_MANAGED_PROXY"}
        scene.make(SUBNETWORK, name=f"p-{number}", role="ACTIVE", ipCidrRange=f"10.{number}.0.0/23", **changes)

    assert _won(one, 8) == 1


def test_addresses_made_at_once_are_different(scene: Scene) -> None:
    scene.prepare(ADDRESS)
    _won(lambda number: scene.make(ADDRESS, name=f"a-{number}"), 10)
    _won(lambda number: scene.make(ADDRESS, name=f"x-{number}", addressType="EXTERNAL", subnetwork=None), 10)
    addresses = [r.state["address"] for r in cloud.read_all(scene.directory.cloud, ADDRESS)]
    assert len(addresses) == len(set(addresses)) == 20
    assert {a.rsplit(".", 2)[0] for a in addresses} == {"10.0", "203.0"}


def test_quota_holds_for_pools_made_at_once(scene: Scene) -> None:
    scene.prepare(NODE_POOL)
    (scene.directory.cloud / "quota.json").write_text('{"europe-west4": {"CT6E": 12}}')
    assert _won(lambda number: scene.make(NODE_POOL, name=f"pool-{number}", initialNodeCount=1), 8) == 3


def test_the_cluster_is_the_local_control_plane(scene: Scene) -> None:
    scene.prepare(CLUSTER)
    _, state = scene.make(CLUSTER)
    assert state["endpoint"] == "127.0.0.1:6443"
    assert state["masterAuth"]["clusterCaCertificate"] == "Q0E="
    assert state["controlPlaneEndpointsConfig"]["dnsEndpointConfig"] == {
        "endpoint": "127.0.0.1:6443",
        "allowExternalTraffic": True,
    }
    assert state["gatewayApiConfig"] == {"channel": "CHANNEL_STANDARD"}
    assert state["addonsConfig"]["httpLoadBalancing"] == {"disabled": False}
    assert (state["clusterIpv4Cidr"], state["servicesIpv4Cidr"]) == ("10.4.0.0/14", "10.8.0.0/20")
    assert state["selfLink"].endswith(f"/projects/{PROJECT}/locations/{REGION}/clusters/serving")


def test_a_cluster_follows_its_minimum_version_upwards_only(scene: Scene) -> None:
    scene.prepare(CLUSTER)
    made, state = scene.make(CLUSTER)
    assert state["masterVersion"] == "1.34.0-gke.1626000"
    assert scene.update(CLUSTER, made, minMasterVersion="1.35.2-gke.1")["masterVersion"] == "1.35.2-gke.1"
    assert scene.update(CLUSTER, made, minMasterVersion="1.34.0-gke.1626000")["masterVersion"] == "1.35.2-gke.1"


def test_a_pool_says_what_its_nodes_are(scene: Scene) -> None:
    scene.prepare(NODE_POOL)
    _, state = scene.make(NODE_POOL)
    assert state["nodeLocations"] == [ZONE]
    assert state["nodeConfig"]["machineType"] == "ct6e-standard-4t"
    # GKE's own taint; the program declares none (gke.md 4.1).
    assert state["nodeConfig"]["effectiveTaints"] == [
        {"key": "google.com/tpu", "value": "present", "effect": "NO_SCHEDULE"}
    ]
    assert [url.split("/projects/")[1].split("/gke-")[0] for url in state["instanceGroupUrls"]] == [
        f"{PROJECT}/zones/{ZONE}/instanceGroupManagers"
    ]
    _, cpu = scene.make(NODE_POOL, name="cpu", nodeLocations=None, nodeConfig={"machineType": "e2-standard-4"})
    assert cpu["nodeLocations"] == [f"{REGION}-{letter}" for letter in "abc"]
    assert len(cpu["managedInstanceGroupUrls"]) == 3
    assert cpu["nodeConfig"]["effectiveTaints"] == []


class _creating:  # noqa: N801 - used like a function
    """A creation that is still going on."""

    def __init__(self, scene: Scene, token: str) -> None:
        self._scene, self._token = scene, token
        self._written = threading.Event()

    def __enter__(self) -> str:
        wait = self._scene.provider.cancelled.wait

        def waits(seconds: float) -> bool:
            self._written.set()
            return wait(seconds)

        self._scene.provider.cancelled.wait = waits  # type: ignore[method-assign, assignment]
        self._thread = threading.Thread(target=self._scene.make, args=(self._token,))
        self._thread.start()
        assert self._written.wait(60)
        return cloud.read_all(self._scene.directory.cloud, self._token, provisioning=True)[0].id

    def __exit__(self, *_: object) -> None:
        self._scene.provider.cancelled.set()
        self._thread.join(60)


def _won(call: Callable[[int], object], times: int) -> int:
    """How many of the calls, made at once, were not refused."""
    start = threading.Barrier(times)

    def one(number: int) -> bool:
        start.wait()
        try:
            call(number)
        except ProviderError:
            return False
        return True

    with ThreadPoolExecutor(times) as threads:
        return sum(threads.map(one, range(times)))
