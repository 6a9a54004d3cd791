"""Creation takes its scaled time and goes on without whoever waited; what Google decides of a cluster and a pool."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from catalog.durations import seconds_of
from providers.base import ProviderError
from providers.google.facts import answers, channel_default
from rehearsal import cloud
from rehearsal.directory import Record
from rehearsal.plugins.gcp.provider import GcpProvider
from tests.rehearsal.plugins.gcp.scene import (
    CLUSTER,
    FIREWALL,
    NETWORK,
    NODE_POOL,
    SUBNETWORK,
    Scene,
)

NEVER = 1e6  # a time scale at which nothing is ever finished


def test_creation_is_awaited_as_long_as_the_catalogue_says(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_cancel_ends_the_wait_and_the_cloud_goes_on(scene: Scene) -> None:
    scene.directory.save_record(Record(time_scale=NEVER))
    made: list[str] = []
    thread = threading.Thread(target=lambda: made.append(scene.make(NETWORK)[0]))
    thread.start()
    scene.provider.cancelled.set()
    thread.join()
    found = scene.found(NETWORK, made[0])
    assert found is not None and found.status == "PROVISIONING"
    assert cloud.read_all(scene.directory.cloud, NETWORK) == []
    another = GcpProvider(scene.directory)
    assert another.read(NETWORK, made[0], scene.inputs(NETWORK)) is not None
    with pytest.raises(ProviderError, match="already exists"):
        another.create(NETWORK, scene.inputs(NETWORK), False)


def test_a_cluster_follows_its_minimum_version_upwards_only(scene: Scene) -> None:
    made, state = scene.make(CLUSTER)
    assert state["masterVersion"] == "1.34.0-gke.1626000"
    assert scene.update(CLUSTER, made, minMasterVersion="1.35.2-gke.1")["masterVersion"] == "1.35.2-gke.1"
    assert scene.update(CLUSTER, made, minMasterVersion="1.34.0-gke.1626000")["masterVersion"] == "1.35.2-gke.1"
    assert scene.make(CLUSTER, name="other", minMasterVersion=None)[1]["masterVersion"] == channel_default()


@pytest.mark.parametrize(
    ("token", "changes"),
    [
        (NETWORK, {"routingMode": "GLOBAL"}),
        (SUBNETWORK, {"privateIpGoogleAccess": False}),
        (FIREWALL, {"targetTags": ["third"]}),
        (NODE_POOL, {"autoscaling": {"minNodeCount": 0, "maxNodeCount": 8, "locationPolicy": "ANY"}}),
        (CLUSTER, {"gatewayApiConfig": {"channel": "CHANNEL_DISABLED"}}),
        (CLUSTER, {"resourceLabels": None}),
    ],
)
def test_an_update_changes_that_and_nothing_else(scene: Scene, token: str, changes: dict[str, Any]) -> None:
    for needed in (SUBNETWORK, CLUSTER):
        if needed != token:
            scene.make(needed)
    resource_id, before = scene.make(token)
    after = scene.update(token, resource_id, **changes)
    assert scene.state(token, resource_id) == after
    followed = {answer.path for answer in answers(token) if answer.follows}
    assert {key for key in {*before, *after} if before.get(key) != after.get(key)} <= {*changes, *followed}
    assert all(after.get(key) == value for key, value in changes.items())


def test_an_unknown_type_is_an_error_that_names_it(scene: Scene) -> None:
    with pytest.raises(ProviderError, match="gcp:pubsub/topic:Topic is not known"):
        scene.provider.check("gcp:pubsub/topic:Topic", {})
