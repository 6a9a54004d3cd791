"""What Google refuses is refused, in its words where they are known (behaviour.yaml), and leaves nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from rehearsal import cloud
from rehearsal.plugins.frame import UNKNOWN, ProviderError
from rehearsal.plugins.gcp.world import (
    ACCOUNT,
    ADDRESS,
    CLUSTER,
    NETWORK,
    NODE_POOL,
    RESOURCE_POLICY,
    ROUTER,
    SUBNETWORK,
)
from tests.rehearsal.plugins.gcp.scene import (
    FIREWALL,
    INPUTS,
    MEMBER,
    NAT,
    NETWORK_ID,
    NODES_ID,
    PROJECT,
    REGION,
    Scene,
)

ACTIVE = {"name": "proxies", "purpose": "REGIONAL_MANAGED_PROXY", "role": "ACTIVE", "ipCidrRange": "10.129.0.0/23"}
PROXIES: dict[str, Any] = {**ACTIVE, "secondaryIpRanges": None, "privateIpGoogleAccess": None}


def refused(scene: Scene, token: str, words: str, **changes: Any) -> None:
    """Creation fails with these words and makes nothing."""
    before = {r.id for r in cloud.read_all(scene.directory.cloud, provisioning=True)}
    with pytest.raises(ProviderError, match=re.escape(words)):
        scene.make(token, **changes)
    assert {r.id for r in cloud.read_all(scene.directory.cloud, provisioning=True)} == before


def pool(**node_config: Any) -> dict[str, Any]:
    return {**INPUTS[NODE_POOL]["nodeConfig"], **node_config}


@pytest.fixture
def cluster(scene: Scene) -> Scene:
    scene.prepare(NODE_POOL)
    return scene


class TestNames:
    @pytest.mark.parametrize(
        ("token", "key", "value"),
        [
            (NETWORK, "name", "Upper"),
            (NETWORK, "name", "x" * 64),
            (SUBNETWORK, "name", "ends-"),
            (FIREWALL, "name", "1st"),
            (NAT, "name", "a"),
            (CLUSTER, "name", "c" * 41),
            (ACCOUNT, "accountId", "short"),
            (ACCOUNT, "accountId", "a" * 31),
        ],
    )
    def test_of_another_form_are_refused_at_check(self, scene: Scene, token: str, key: str, value: str) -> None:
        (words,) = scene.refusals(token, **{key: value})
        assert words.startswith(f'"{key}" ("{value}") doesn\'t match regexp')

    def test_a_missing_property_is_refused_at_check(self, scene: Scene) -> None:
        assert scene.refusals(SUBNETWORK, network=None) == ["Missing required property 'network'"]

    def test_a_value_outside_its_list_is_refused_at_check(self, scene: Scene) -> None:
        (words,) = scene.refusals(CLUSTER, gatewayApiConfig={"channel": "STANDARD"})
        assert words.startswith("expected gatewayApiConfig.channel to be one of")

    def test_what_is_no_range_is_refused_at_check(self, scene: Scene) -> None:
        (words,) = scene.refusals(SUBNETWORK, ipCidrRange="10.0.0.0/33")
        assert words == '"ipCidrRange" is not a valid IP CIDR range: invalid CIDR address: 10.0.0.0/33'
        assert len(scene.refusals(SUBNETWORK, secondaryIpRanges=[{"rangeName": "pods", "ipCidrRange": "pods"}])) == 1

    def test_unknown_values_pass_check(self, scene: Scene) -> None:
        unknown = {"name": UNKNOWN, "network": UNKNOWN, "ipCidrRange": UNKNOWN, "secondaryIpRanges": UNKNOWN}
        assert scene.refusals(SUBNETWORK, **unknown) == []

    @pytest.mark.parametrize(
        ("token", "words"),
        [
            (
                NETWORK,
                "Error creating Network: googleapi: Error 409: The resource '{id}' already exists, alreadyExists",
            ),
            (SUBNETWORK, "Error creating Subnetwork: googleapi: Error 409: The resource '{id}' already exists"),
            (CLUSTER, "googleapi: Error 409: Already exists: {id}., alreadyExists"),
            (NODE_POOL, "error creating NodePool: resource - {id} - already exists"),
            (ACCOUNT, "Service account node-account already exists within project projects/example-project."),
        ],
    )
    def test_of_what_is_there_are_taken(self, scene: Scene, token: str, words: str) -> None:
        scene.prepare(token)
        made, _ = scene.make(token)
        refused(scene, token, words.format(id=made))

    def test_a_second_time_is_no_error_for_members_and_apis(self, scene: Scene) -> None:
        scene.prepare(MEMBER)
        assert scene.make(MEMBER) == scene.make(MEMBER)


class TestRanges:
    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"ipCidrRange": "10.0.8.0/24"}, "Invalid value for field 'resource.ipCidrRange': '10.0.8.0/24'."),
            (
                {"ipCidrRange": "10.5.0.0/24"},
                "Invalid IPCidrRange: 10.5.0.0/24 conflicts with existing subnetwork 'nodes'",
            ),
            (
                {"ipCidrRange": "10.9.0.0/24", "secondaryIpRanges": [{"rangeName": "p", "ipCidrRange": "10.0.0.0/24"}]},
                "Invalid value for field 'resource.secondaryIpRanges[0].ipCidrRange': '10.0.0.0/24'.",
            ),
            (
                {"ipCidrRange": "10.9.0.0/24", "secondaryIpRanges": [{"rangeName": "p", "ipCidrRange": "10.9.0.0/25"}]},
                "conflicts with existing subnetwork 'second'",
            ),
            ({"ipCidrRange": "10.0.8.0/24", "region": "us-central1"}, "in region 'europe-west4'., invalid"),
            ({"ipCidrRange": "10.9.0.1/24"}, "Invalid value for field 'resource.ipCidrRange': '10.9.0.1/24'."),
        ],
    )
    def test_that_overlap_in_a_vpc_are_refused(self, scene: Scene, changes: dict[str, Any], words: str) -> None:
        scene.prepare(NAT)
        refused(scene, SUBNETWORK, words, **{"name": "second", "secondaryIpRanges": [], **changes})

    def test_may_be_the_same_in_two_vpcs(self, scene: Scene) -> None:
        scene.prepare(CLUSTER)
        scene.make(NETWORK, name="other")
        scene.make(SUBNETWORK, name="second", network=f"projects/{PROJECT}/global/networks/other")

    def test_grown_into_another_are_refused_at_update(self, scene: Scene) -> None:
        scene.prepare(CLUSTER)
        scene.make(SUBNETWORK, name="second", ipCidrRange="10.0.16.0/20", secondaryIpRanges=None)
        with pytest.raises(ProviderError, match=r'Error updating Subnetwork ".*nodes": .* conflicts with'):
            scene.update(SUBNETWORK, NODES_ID, ipCidrRange="10.0.0.0/19")
        assert scene.state(SUBNETWORK, NODES_ID)["ipCidrRange"] == "10.0.0.0/20"

    def test_free_of_others_may_grow(self, scene: Scene) -> None:
        scene.prepare(CLUSTER)
        scene.update(SUBNETWORK, NODES_ID, ipCidrRange="10.0.0.0/19")
        assert scene.state(SUBNETWORK, NODES_ID)["ipCidrRange"] == "10.0.0.0/19"

    def test_an_unknown_region_is_refused(self, scene: Scene) -> None:
        scene.make(NETWORK)
        refused(scene, SUBNETWORK, "Unknown region.", region="europe-west99")

    @pytest.mark.parametrize("token", [SUBNETWORK, FIREWALL, ROUTER])
    def test_a_network_that_is_not_there_is_refused(self, scene: Scene, token: str) -> None:
        refused(scene, token, "The referenced network resource cannot be found., invalid")


class TestProxyOnly:
    @pytest.fixture(autouse=True)
    def network(self, scene: Scene) -> None:
        scene.make(NETWORK)

    def test_a_second_active_one_in_region_and_vpc_is_refused(self, scene: Scene) -> None:
        scene.make(SUBNETWORK, **PROXIES)
        second = {**PROXIES, "name": "second", "ipCidrRange": "10.130.0.0/23"}
        refused(scene, SUBNETWORK, "An ACTIVE subnetwork with purpose REGIONAL_MANAGED_PROXY exists already", **second)
        scene.make(SUBNETWORK, **{**second, "role": "BACKUP"})
        scene.make(SUBNETWORK, **{**second, "name": "third", "region": "us-central1", "ipCidrRange": "10.131.0.0/23"})

    def test_another_vpc_may_have_its_own(self, scene: Scene) -> None:
        scene.make(SUBNETWORK, **PROXIES)
        scene.make(NETWORK, name="other")
        scene.make(SUBNETWORK, **{**PROXIES, "name": "second", "network": f"projects/{PROJECT}/global/networks/other"})

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"ipCidrRange": "10.129.0.0/27"}, "must be /26 or larger"),
            ({"role": None}, "Subnetwork role must be specified when purpose set to REGIONAL_MANAGED_PROXY., invalid"),
            ({"privateIpGoogleAccess": True}, "Invalid field set in subnetwork with purpose REGIONAL_MANAGED_PROXY."),
            (
                {"secondaryIpRanges": [{"rangeName": "p", "ipCidrRange": "10.132.0.0/24"}]},
                "Invalid field set in subnetwork with purpose REGIONAL_MANAGED_PROXY.",
            ),
        ],
    )
    def test_of_another_form_is_refused(self, scene: Scene, changes: dict[str, Any], words: str) -> None:
        refused(scene, SUBNETWORK, words, **{**PROXIES, **changes})

    def test_a_26_is_large_enough(self, scene: Scene) -> None:
        scene.make(SUBNETWORK, **{**PROXIES, "ipCidrRange": "10.129.0.0/26"})


class TestReferences:
    def test_a_nat_needs_its_router_and_subnetworks(self, scene: Scene) -> None:
        scene.make(NETWORK)
        router = f"projects/{PROJECT}/regions/{REGION}/routers/router"
        refused(
            scene,
            NAT,
            f"Error creating RouterNat: googleapi: Error 404: The resource '{router}' was not found, notFound",
        )
        scene.make(ROUTER)
        refused(scene, NAT, "The referenced subnetwork resource cannot be found., invalid")

    def test_an_internal_address_needs_its_subnetwork(self, scene: Scene) -> None:
        refused(scene, ADDRESS, "The referenced subnetwork resource cannot be found., invalid")

    def test_a_cluster_needs_network_subnetwork_and_ranges(self, scene: Scene) -> None:
        refused(scene, CLUSTER, "googleapi: Error 404: Not found")
        scene.make(NETWORK)
        refused(scene, CLUSTER, f'Error 400: Subnetwork "{NODES_ID}" is not valid for Network "vpc"., badRequest')
        scene.make(SUBNETWORK, secondaryIpRanges=[{"rangeName": "pods", "ipCidrRange": "10.4.0.0/14"}])
        refused(scene, CLUSTER, 'secondary range "services" does not exist')

    def test_a_cluster_needs_the_control_plane(self, scene: Scene) -> None:
        scene.prepare(CLUSTER)
        scene.directory.kubeconfig.unlink()
        refused(scene, CLUSTER, "the rehearsal's control plane has not been started")

    def test_a_pool_needs_its_cluster(self, scene: Scene) -> None:
        words = f"error creating NodePool: googleapi: Error 404: Not found: projects/{PROJECT}/locations/{REGION}/clusters/serving., notFound"
        refused(scene, NODE_POOL, words)

    def test_a_member_needs_its_service_account(self, scene: Scene) -> None:
        email = f"node-account@{PROJECT}.iam.gserviceaccount.com"
        refused(scene, MEMBER, f"googleapi: Error 400: Service account {email} does not exist., badRequest")

    def test_a_network_with_subnetworks_of_its_own_making_is_not_played(self, scene: Scene) -> None:
        refused(scene, NETWORK, "autoCreateSubnetworks is not played", autoCreateSubnetworks=True)


class TestNodePools:
    @pytest.mark.parametrize(
        ("machine_type", "zone"),
        [
            ("ct6e-standard-4t", "europe-west4-b"),
            ("ct6e-standard-2t", "europe-west4-a"),
            ("tpu-v6e", "europe-west4-a"),
            ("a3-highgpu-8g", "europe-west4-a"),
        ],
    )
    def test_a_machine_type_the_zone_does_not_have(self, cluster: Scene, machine_type: str, zone: str) -> None:
        words = f'error creating NodePool: googleapi: Error 400: Invalid machine type "{machine_type}" in zone "{zone}": GCE_NOT_FOUND'
        refused(cluster, NODE_POOL, words, nodeConfig=pool(machineType=machine_type), nodeLocations=[zone])

    @pytest.mark.parametrize(
        ("zone", "words"),
        [
            ("us-central1-b", 'Location "us-central1-b" is not in the region "europe-west4"'),
            ("europe-west99-a", 'Location "europe-west99-a" does not exist'),
            ("europe-west4", 'Location "europe-west4" does not exist'),
        ],
    )
    def test_a_zone_outside_the_region(self, cluster: Scene, zone: str, words: str) -> None:
        refused(cluster, NODE_POOL, words, nodeLocations=[zone])

    @pytest.mark.parametrize("topology", ["2x2x1", "2x2", "1x1", "3x5"])
    def test_a_topology_the_machine_type_cannot_form(self, cluster: Scene, topology: str) -> None:
        policy = {"type": "COMPACT", "tpuTopology": topology}
        words = f'TPU topology "{topology}" is not supported for machine type "ct6e-standard-4t"'
        refused(cluster, NODE_POOL, words, placementPolicy=policy)

    def test_a_slice_of_many_hosts_in_two_zones(self, tmp_path: Path) -> None:
        scene = _in(tmp_path, "us-east5")
        changes: dict[str, Any] = {
            "location": "us-east5",
            "nodeLocations": ["us-east5-a", "us-east5-b"],
            "placementPolicy": {"type": "COMPACT", "tpuTopology": "4x4"},
        }
        refused(scene, NODE_POOL, "must be in exactly one zone, not in us-east5-a, us-east5-b", **changes)
        scene.make(NODE_POOL, **{**changes, "nodeLocations": ["us-east5-b"]})

    @pytest.mark.parametrize("autoscaling", [{"totalMaxNodeCount": 4}, {"maxNodeCount": 3}, {"maxNodeCount": 8}])
    def test_a_size_that_is_no_slice(self, cluster: Scene, autoscaling: dict[str, int]) -> None:
        maximum = autoscaling.get("maxNodeCount", 0)
        words = f"Maximum node count {maximum} is not a valid size of TPU pod slice with topology 4x4"
        policy = {"type": "COMPACT", "tpuTopology": "4x4"}
        refused(cluster, NODE_POOL, words, placementPolicy=policy, autoscaling=autoscaling)

    def test_a_whole_slice_is_taken(self, cluster: Scene) -> None:
        cluster.make(NODE_POOL, placementPolicy={"type": "COMPACT", "tpuTopology": "4x4"})

    def test_compact_placement_of_tpu7x(self, tmp_path: Path) -> None:
        scene = _in(tmp_path, "us-central1")
        words = "Creation of a managed instance group with tpu7x-standard-4t machine type with placement policy is not supported. Use workload policy instead."
        refused(scene, NODE_POOL, words, **TPU7X, placementPolicy={"type": "COMPACT", "tpuTopology": "2x2x2"})

    def test_a_workload_policy_that_is_not_there(self, tmp_path: Path) -> None:
        scene = _in(tmp_path, "us-central1")
        policy = {"type": "", "policyName": "slice"}
        refused(scene, NODE_POOL, "resourcePolicies/slice' was not found, notFound", **TPU7X, placementPolicy=policy)
        scene.make(RESOURCE_POLICY, region="us-central1")
        scene.make(NODE_POOL, **TPU7X, placementPolicy=policy)
        policy_id = f"projects/{PROJECT}/regions/us-central1/resourcePolicies/slice"
        with pytest.raises(ProviderError, match="is already being used by"):
            scene.delete(RESOURCE_POLICY, policy_id)

    def test_more_chips_than_the_quota(self, cluster: Scene) -> None:
        (cluster.directory.cloud / "quota.json").write_text('{"europe-west4": {"CT6E": 8}}')
        cluster.make(NODE_POOL, name="first", initialNodeCount=1)
        words = (
            "insufficient regional quota to satisfy request: resource \"TPUS_PER_TPU_FAMILY\": request requires '8.0' "
            "and is short '4.0'. project has a quota of '8.0' with '4.0' available."
        )
        refused(cluster, NODE_POOL, words, name="second", initialNodeCount=2)
        cluster.make(NODE_POOL, name="second", initialNodeCount=1)
        cluster.make(NODE_POOL, name="empty", initialNodeCount=0)  # chips are taken when it grows


TPU7X = {
    "location": "us-central1",
    "nodeLocations": ["us-central1-c"],
    "nodeConfig": {"machineType": "tpu7x-standard-4t"},
    "autoscaling": {"minNodeCount": 0, "maxNodeCount": 2},
}


def _in(path: Path, region: str) -> Scene:
    """A cluster in another region."""
    scene = Scene(path)
    scene.make(NETWORK)
    scene.make(SUBNETWORK, region=region)
    scene.make(CLUSTER, location=region, subnetwork=NODES_ID.replace(REGION, region))
    return scene


class TestDeletion:
    def test_a_protected_cluster_stays(self, scene: Scene) -> None:
        scene.prepare(CLUSTER)
        made, _ = scene.make(CLUSTER, deletionProtection=None)  # on unless it is switched off
        with pytest.raises(ProviderError, match="Cannot destroy cluster because deletion_protection is set to true"):
            scene.delete(CLUSTER, made)
        scene.update(CLUSTER, made, deletionProtection=False)
        scene.delete(CLUSTER, made)
        assert scene.found(CLUSTER, made) is None

    def test_a_cluster_takes_its_pools_with_it(self, cluster: Scene) -> None:
        pool_id, _ = cluster.make(NODE_POOL)
        cluster.delete(CLUSTER, pool_id.split("/nodePools/")[0])
        assert cluster.found(NODE_POOL, pool_id) is None

    @pytest.mark.parametrize("token", [SUBNETWORK, FIREWALL, ROUTER])
    def test_a_network_in_use_stays(self, scene: Scene, token: str) -> None:
        scene.prepare(token)
        user, _ = scene.make(token)
        words = (
            f"Error waiting for Deleting Network: The network resource '{NETWORK_ID}' is already being used by '{user}'"
        )
        with pytest.raises(ProviderError, match=re.escape(words)):
            scene.delete(NETWORK, NETWORK_ID)
        scene.delete(token, user)
        scene.delete(NETWORK, NETWORK_ID)
        assert scene.found(NETWORK, NETWORK_ID) is None

    @pytest.mark.parametrize("token", [CLUSTER, ADDRESS])
    def test_a_subnetwork_in_use_stays(self, scene: Scene, token: str) -> None:
        scene.prepare(token)
        user, _ = scene.make(token)
        with pytest.raises(ProviderError, match=f"The subnetwork resource .* is already being used by '{user}'"):
            scene.delete(SUBNETWORK, NODES_ID)
