"""What Google refuses is refused, in its words where they are known (behaviour.yaml), and leaves nothing."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from providers.base import ProviderError
from rehearsal import cloud
from tests.rehearsal.plugins.gcp.scene import (
    ADDRESS,
    CLUSTER,
    INPUTS,
    MEMBER,
    NETWORK,
    NODE_POOL,
    SUBNETWORK,
    Scene,
)


def refused(scene: Scene, token: str, words: str, **changes: Any) -> None:
    """Creation fails with these words and makes nothing."""
    before = {r.id for r in cloud.read_all(scene.directory.cloud, provisioning=True)}
    with pytest.raises(ProviderError, match=re.escape(words)):
        scene.make(token, **changes)
    assert {r.id for r in cloud.read_all(scene.directory.cloud, provisioning=True)} == before


def test_a_name_that_is_taken_and_a_member_that_is_made_again(scene: Scene) -> None:
    made, _ = scene.make(NETWORK)
    words = f"Error creating Network: googleapi: Error 409: The resource '{made}' already exists, alreadyExists"
    refused(scene, NETWORK, words)
    assert scene.make(MEMBER) == scene.make(MEMBER)


def test_an_unknown_region(scene: Scene) -> None:
    refused(scene, SUBNETWORK, "Unknown region.", region="europe-west99")


@pytest.mark.parametrize(
    ("machine_type", "zone"),
    [
        ("ct6e-standard-4t", "europe-west4-b"),
        ("ct6e-standard-2t", "europe-west4-a"),
        ("tpu-v6e", "europe-west4-a"),
        ("a3-highgpu-8g", "europe-west4-a"),
    ],
)
def test_a_machine_type_that_the_zone_does_not_have(scene: Scene, machine_type: str, zone: str) -> None:
    words = f'error creating NodePool: googleapi: Error 400: Invalid machine type "{machine_type}" in zone "{zone}": GCE_NOT_FOUND'
    config = {**INPUTS[NODE_POOL]["nodeConfig"], "machineType": machine_type}
    refused(scene, NODE_POOL, words, nodeConfig=config, nodeLocations=[zone])


def test_a_protected_cluster_stays(scene: Scene) -> None:
    made, state = scene.make(CLUSTER, deletionProtection=None)  # on unless it is switched off
    with pytest.raises(ProviderError, match="Cannot destroy cluster because deletion_protection is set to true"):
        scene.provider.delete(CLUSTER, made, state)
    scene.provider.delete(CLUSTER, made, scene.update(CLUSTER, made, deletionProtection=False))
    assert scene.found(CLUSTER, made) is None


def test_addresses_made_at_once_are_different(scene: Scene) -> None:
    scene.make(SUBNETWORK)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: scene.make(ADDRESS, name=f"a-{number}"), range(8)))
        list(
            threads.map(lambda n: scene.make(ADDRESS, name=f"x-{n}", addressType="EXTERNAL", subnetwork=None), range(8))
        )
    addresses = [r.state["address"] for r in cloud.read_all(scene.directory.cloud, ADDRESS)]
    assert len(addresses) == len(set(addresses)) == 16
    assert {a.rsplit(".", 2)[0] for a in addresses} == {"10.0", "203.0"}
