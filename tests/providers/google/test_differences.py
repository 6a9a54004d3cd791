"""Differences as the provider's schema has them; expectations are read off the schema, not off the emulator."""

from __future__ import annotations

from typing import Any

import pytest

from providers.base import UNKNOWN
from providers.google.differences import difference, stays
from providers.google.facts import facts

CLUSTER = facts("gcp:container/cluster:Cluster")
POOL = facts("gcp:container/nodePool:NodePool")
SUBNETWORK = facts("gcp:compute/subnetwork:Subnetwork")
FIREWALL = facts("gcp:compute/firewall:Firewall")
PRIVATE = {"privateClusterConfig": {"enablePrivateNodes": True, "masterIpv4CidrBlock": "172.16.0.0/28"}}


@pytest.mark.parametrize(
    ("known", "old", "new", "expected"),
    [
        (CLUSTER, {"datapathProvider": "A"}, {"datapathProvider": "B"}, {"datapathProvider": "update-replace"}),
        (CLUSTER, {}, {"deletionProtection": True}, {"deletionProtection": "add"}),
        # Below a block that comes or goes whole: master_ipv4_cidr_block is ForceNew, the block is not.
        (CLUSTER, {}, PRIVATE, {"privateClusterConfig": "add-replace"}),
        (CLUSTER, {}, {"privateClusterConfig": {"enablePrivateNodes": True}}, {"privateClusterConfig": "add"}),
        (CLUSTER, PRIVATE, {}, {}),  # Computed: what was set stays
        (CLUSTER, {"secretSyncConfig": {"enabled": True}}, {}, {"secretSyncConfig": "delete"}),
        (CLUSTER, {"secretSyncConfig": {"enabled": False}}, {}, {}),
        (POOL, {"nodeConfig": {"spot": True}}, {"nodeConfig": {}}, {"nodeConfig.spot": "delete-replace"}),
        (POOL, {"nodeConfig": {"spot": False}}, {"nodeConfig": {}}, {}),
        (
            POOL,
            {"nodeConfig": {"advancedMachineFeatures": {"threadsPerCore": 1}}},
            {"nodeConfig": {}},
            {"nodeConfig.advancedMachineFeatures": "delete-replace"},
        ),
        # ForceNew is on the block and on policy_name, not on type and tpu_topology.
        (POOL, {"placementPolicy": {"type": "COMPACT"}}, {}, {"placementPolicy": "delete-replace"}),
        (
            POOL,
            {"placementPolicy": {"type": "", "tpuTopology": "2x2x2"}},
            {"placementPolicy": {"type": ""}},
            {"placementPolicy.tpuTopology": "delete"},
        ),
        (
            POOL,
            {"nodeConfig": {"resourceLabels": {"a": "b", "goog-gke-node-pool-provisioning-model": "on-demand"}}},
            {"nodeConfig": {"resourceLabels": {"a": "b"}}},
            {},
        ),
        # A block that the program declares in part: what GKE answers beside it is Computed.
        (
            POOL,
            {"nodeConfig": {"kubeletConfig": {"shutdownGracePeriodSeconds": 120, "maxParallelImagePulls": 2}}},
            {"nodeConfig": {"kubeletConfig": {"shutdownGracePeriodSeconds": 120}}},
            {},
        ),
        (SUBNETWORK, {"ipCidrRange": "10.0.0.0/20"}, {"ipCidrRange": "10.0.0.0/19"}, {"ipCidrRange": "update"}),
        (SUBNETWORK, {"ipCidrRange": "10.0.0.0/20"}, {"ipCidrRange": "10.0.0.0/21"}, {"ipCidrRange": "update-replace"}),
        (SUBNETWORK, {"network": "n"}, {"network": UNKNOWN}, {"network": "update-replace"}),
        (
            FIREWALL,
            {
                "network": "https://www.googleapis.com/compute/v1/projects/p/global/networks/vpc",
                "targetTags": ["a", "b"],
            },
            {"network": "projects/p/global/networks/vpc", "targetTags": ["b", "a"]},
            {},
        ),
    ],
)
def test_a_difference_is_what_the_schema_says(
    known: Any, old: dict[str, Any], new: dict[str, Any], expected: dict[str, str]
) -> None:
    assert difference(known, old, new).detailed == expected


def test_what_is_ignored_is_no_difference() -> None:
    old, new = {"nodeConfig": {"spot": True, "diskSizeGb": 1}}, {"nodeConfig": {"diskSizeGb": 2}}
    assert difference(POOL, old, new, ["nodeConfig.spot"]).detailed == {"nodeConfig.diskSizeGb": "update"}
    assert not difference(POOL, old, new, ["nodeConfig"]).detailed


def test_a_name_of_the_programs_own_is_deleted_before_it_is_made_again() -> None:
    assert difference(CLUSTER, {"name": "a"}, {"name": "b"}).delete_before_replace
    assert not difference(CLUSTER, {"name": "a"}, {"name": "a", "deletionProtection": True}).delete_before_replace


def test_what_the_program_sets_no_more_may_stay_in_the_cloud() -> None:
    old = {**PRIVATE, "deletionProtection": True, "addonsConfig": {"gcsFuseCsiDriverConfig": {"enabled": True}}}
    assert list(stays(CLUSTER, old, {"addonsConfig": {}})) == [
        "privateClusterConfig",
        "addonsConfig.gcsFuseCsiDriverConfig",
    ]
