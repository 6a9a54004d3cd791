"""Every type: made, read, unchanged, replaced or updated as the real provider's schema has it, deleted."""

from __future__ import annotations

import importlib
import re
from typing import Any

import pytest

from providers.google.facts import facts, tokens
from providers.google.trees import get
from rehearsal.plugins.frame import UNKNOWN, ProviderError, contains_unknown
from rehearsal.plugins.gcp.world import (
    ACCOUNT,
    ADDRESS,
    CLUSTER,
    NETWORK,
    NODE_POOL,
    RESOURCE_POLICY,
    ROUTER,
    SERVICE,
    SUBNETWORK,
)
from tests.rehearsal.plugins.gcp.scene import EMAIL, FIREWALL, INPUTS, MEMBER, NAT, Scene, resource

# Ids as the provider forms them (d.SetId in the files named in types.yaml).
IDS = {
    "Service": "example-project/compute.googleapis.com",
    "Account": f"projects/example-project/serviceAccounts/{EMAIL}",
    "IAMMember": f"example-project/roles/artifactregistry.reader/serviceAccount:{EMAIL}",
    "Network": "projects/example-project/global/networks/vpc",
    "Subnetwork": "projects/example-project/regions/europe-west4/subnetworks/nodes",
    "Firewall": "projects/example-project/global/firewalls/webhooks",
    "Router": "projects/example-project/regions/europe-west4/routers/router",
    "RouterNat": "example-project/europe-west4/router/nat",
    "Address": "projects/example-project/regions/europe-west4/addresses/gateway",
    "ResourcePolicy": "projects/example-project/regions/europe-west4/resourcePolicies/slice",
    "SecretIamMember": "projects/example-project/secrets/token/roles/secretmanager.secretAccessor/allUsers",
    "Cluster": "projects/example-project/locations/europe-west4/clusters/serving",
    "NodePool": "projects/example-project/locations/europe-west4/clusters/serving/nodePools/tpu",
}


def test_every_type_of_the_table_is_tried() -> None:
    assert set(INPUTS) == set(tokens())


@pytest.mark.parametrize("token", tokens())
class TestEveryType:
    def test_is_made_read_unchanged_and_deleted(self, scene: Scene, token: str) -> None:
        scene.prepare(token)
        made, state = scene.make(token)
        assert made == IDS[token.rsplit(":", 1)[-1]]
        inputs = scene.inputs(token)
        assert inputs["project"] == "example-project"
        read = scene.provider.read(resource(token), made, inputs, state)
        assert read is not None
        assert (read.state, read.inputs) == (state, inputs)
        assert not scene.provider.diff(resource(token), made, inputs, state, inputs, []).detailed
        scene.delete(token, made)
        assert (scene.found(token, made) is None) == (token != SERVICE)
        scene.delete(token, made)  # what is gone already is no error

    def test_is_imported_by_its_id_without_a_difference(self, scene: Scene, token: str) -> None:
        scene.prepare(token)
        made, _ = scene.make(token)
        read = scene.provider.read(resource(token), made, {}, {})
        assert read is not None
        again = scene.provider.diff(resource(token), made, read.inputs, read.state, scene.inputs(token), [])
        assert not again.detailed

    def test_a_preview_knows_nothing_that_creation_contradicts(self, scene: Scene, token: str) -> None:
        inputs = scene.inputs(token)
        made, foreseen = scene.provider.create(resource(token), inputs, 0, True)
        assert made == ""
        scene.prepare(token)
        _, state = scene.make(token)
        assert set(foreseen) == set(state)
        assert _contradictions(foreseen, state, "") == []
        assert all(contains_unknown(foreseen[key]) for key in set(state) - set(inputs))

    def test_outputs_are_properties_of_the_sdk(self, scene: Scene, token: str) -> None:
        scene.prepare(token)
        _, state = scene.make(token)
        module, name = re.fullmatch(r"gcp:(\w+)/\w+:(\w+)", token).groups()  # type: ignore[union-attr]
        declared = getattr(importlib.import_module(f"pulumi_gcp.{module}"), name)
        known = {_camel(key) for key, value in vars(declared).items() if isinstance(value, property)}
        assert set(state) <= known

    def test_what_the_facts_name_is_a_property_of_the_sdk(self, scene: Scene, token: str) -> None:
        module, name = re.fullmatch(r"gcp:(\w+)/\w+:(\w+)", token).groups()  # type: ignore[union-attr]
        declared = getattr(importlib.import_module(f"pulumi_gcp.{module}"), name)
        known = {_camel(key) for key, value in vars(declared).items() if isinstance(value, property)}
        row = facts(token)
        named = {*row.required, *row.force_new, *row.decided, *row.fill, *row.defaults, *row.computed, *row.links}
        named |= {*row.sets, *row.enums, *row.patterns}
        assert {path.split(".")[0] for path in named} <= known

    def test_nothing_is_made_while_its_api_is_off(self, tmp_path: Any, token: str) -> None:
        service = facts(token).service
        if service is None:
            return
        scene = Scene(tmp_path, apis=())
        with pytest.raises(ProviderError, match="SERVICE_DISABLED") as refused:
            scene.make(token)
        assert f"https://console.developers.google.com/apis/api/{service}/overview" in str(refused.value)
        assert "has not been used in project example-project before or it is disabled" in str(refused.value)
        assert scene.found(token, IDS[token.rsplit(":", 1)[-1]]) is None


def _contradictions(foreseen: Any, state: Any, path: str) -> list[str]:
    if foreseen is UNKNOWN:
        return []
    if isinstance(foreseen, dict) and isinstance(state, dict):
        return [p for key in foreseen for p in _contradictions(foreseen[key], state.get(key), f"{path}.{key}")]
    if path.endswith((".network", ".subnetwork", ".subnetworks")):  # references come back as self links
        return []
    return [] if foreseen == state else [path]


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


CHANGES: list[tuple[str, dict[str, Any], str, bool]] = [
    (SERVICE, {"service": "iam.googleapis.com"}, "service", True),
    (SERVICE, {"disableOnDestroy": True}, "disableOnDestroy", False),
    (ACCOUNT, {"accountId": "another-account"}, "accountId", True),
    (ACCOUNT, {"displayName": "Other"}, "displayName", False),
    (MEMBER, {"role": "roles/viewer"}, "role", True),
    (NETWORK, {"name": "other"}, "name", True),
    (NETWORK, {"autoCreateSubnetworks": True}, "autoCreateSubnetworks", True),
    (NETWORK, {"routingMode": "GLOBAL"}, "routingMode", False),
    (SUBNETWORK, {"region": "us-central1"}, "region", True),
    (SUBNETWORK, {"ipCidrRange": "10.0.0.0/19"}, "ipCidrRange", False),
    (SUBNETWORK, {"ipCidrRange": "10.0.0.0/21"}, "ipCidrRange", True),
    (SUBNETWORK, {"ipCidrRange": "10.1.0.0/20"}, "ipCidrRange", True),
    (SUBNETWORK, {"privateIpGoogleAccess": False}, "privateIpGoogleAccess", False),
    (SUBNETWORK, {"role": "BACKUP"}, "role", False),
    (FIREWALL, {"direction": "EGRESS"}, "direction", True),
    (FIREWALL, {"sourceRanges": ["172.16.1.0/28"]}, "sourceRanges", False),
    (ROUTER, {"network": "projects/example-project/global/networks/other"}, "network", True),
    (NAT, {"router": "other"}, "router", True),
    (NAT, {"minPortsPerVm": 128}, "minPortsPerVm", False),
    (ADDRESS, {"addressType": "EXTERNAL"}, "addressType", True),
    (ADDRESS, {"labels": {"a": "b"}}, "labels", False),
    (
        RESOURCE_POLICY,
        {"workloadPolicy": {"type": "HIGH_THROUGHPUT", "acceleratorTopology": "2x2x4"}},
        "workloadPolicy.acceleratorTopology",
        True,
    ),
    (CLUSTER, {"location": "us-central1"}, "location", True),
    (
        CLUSTER,
        {"ipAllocationPolicy": {"clusterSecondaryRangeName": "other", "servicesSecondaryRangeName": "services"}},
        "ipAllocationPolicy.clusterSecondaryRangeName",
        True,
    ),
    (
        CLUSTER,
        {"privateClusterConfig": {"enablePrivateNodes": True, "masterIpv4CidrBlock": "172.16.1.0/28"}},
        "privateClusterConfig.masterIpv4CidrBlock",
        True,
    ),
    (CLUSTER, {"datapathProvider": "ADVANCED_DATAPATH"}, "datapathProvider", True),
    (CLUSTER, {"deletionProtection": True}, "deletionProtection", False),
    (CLUSTER, {"minMasterVersion": "1.35.0-gke.1"}, "minMasterVersion", False),
    (CLUSTER, {"gatewayApiConfig": {"channel": "CHANNEL_DISABLED"}}, "gatewayApiConfig.channel", False),
    (CLUSTER, {"resourceLabels": {"tier": "production"}}, "resourceLabels.tier", False),
    (NODE_POOL, {"initialNodeCount": 1}, "initialNodeCount", True),
    (NODE_POOL, {"placementPolicy": {"type": "COMPACT", "tpuTopology": "4x4"}}, "placementPolicy", True),
    (
        NODE_POOL,
        {"autoscaling": {**INPUTS[NODE_POOL]["autoscaling"], "maxNodeCount": 5}},
        "autoscaling.maxNodeCount",
        False,
    ),
]


@pytest.mark.parametrize(("token", "change", "path", "replaces"), CHANGES)
def test_a_change_costs_what_the_schema_says(
    scene: Scene, token: str, change: dict[str, Any], path: str, replaces: bool
) -> None:
    result = scene.diff(token, {}, change)
    assert list(result.detailed) == [path]
    assert result.detailed[path].endswith("-replace") == replaces
    # A name of the program's own is free only once the old resource is gone.
    assert result.delete_before_replace == (replaces and "name" in INPUTS[token])


@pytest.mark.parametrize(
    ("key", "value", "replaces"),
    [
        ("machineType", "ct6e-standard-8t", False),
        ("diskSizeGb", 200, False),
        ("tags", ["a"], False),
        ("spot", True, True),
        ("serviceAccount", "a@b", True),
        ("flexStart", True, True),
        ("maxRunDuration", "60s", True),
    ],
)
def test_a_change_of_the_nodes_costs_what_the_schema_says(scene: Scene, key: str, value: Any, replaces: bool) -> None:
    result = scene.diff(NODE_POOL, {}, {"nodeConfig": {**INPUTS[NODE_POOL]["nodeConfig"], key: value}})
    assert list(result.detailed) == [f"nodeConfig.{key}"]
    assert result.detailed[f"nodeConfig.{key}"].endswith("-replace") == replaces


def test_an_unknown_value_is_a_change(scene: Scene) -> None:
    assert scene.diff(SUBNETWORK, {}, {"network": UNKNOWN}).detailed == {"network": "update-replace"}


def test_what_means_the_same_is_no_change(scene: Scene) -> None:
    link = "https://www.googleapis.com/compute/v1/projects/example-project/global/networks/vpc"
    assert not scene.diff(FIREWALL, {}, {"network": link, "targetTags": ["other", "node"]}).detailed
    assert not scene.diff(NETWORK, {}, {"routingMode": None}).detailed  # computed: the cloud's value stays
    assert not scene.diff(CLUSTER, {"enableShieldedNodes": True}, {}).detailed  # the schema's default


@pytest.mark.parametrize(
    ("token", "changes"),
    [
        (NETWORK, {"routingMode": "GLOBAL"}),
        (SUBNETWORK, {"ipCidrRange": "10.0.0.0/19", "privateIpGoogleAccess": False}),
        (FIREWALL, {"targetTags": ["third"]}),
        (ACCOUNT, {"displayName": "Other"}),
        (NODE_POOL, {"autoscaling": {"minNodeCount": 0, "maxNodeCount": 8}}),
        (CLUSTER, {"gatewayApiConfig": {"channel": "CHANNEL_DISABLED"}}),
    ],
)
def test_an_update_changes_that_and_nothing_else(scene: Scene, token: str, changes: dict[str, Any]) -> None:
    scene.prepare(token)
    made, before = scene.make(token)
    after = scene.update(token, made, **changes)
    assert scene.state(token, made) == after
    for key, value in changes.items():
        assert after[key] == value
    assert {k for k in before if before[k] != after.get(k)} == set(changes)
    read = scene.provider.read(resource(token), made, scene.inputs(token, **changes), after)
    assert read is not None
    assert read.inputs == scene.inputs(token, **changes)


@pytest.mark.parametrize("token", tokens())
def test_the_preview_of_an_update_keeps_what_is_known(scene: Scene, token: str) -> None:
    """An endpoint that became unknown would make every Kubernetes object's preview blind."""
    scene.prepare(token)
    made, state = scene.make(token)
    inputs = scene.inputs(token)
    foreseen = scene.provider.update(resource(token), made, inputs, state, inputs, 0, True)
    assert not contains_unknown(foreseen)
    assert set(foreseen) == set(state)
    assert _contradictions(foreseen, state, "") == []


def test_an_update_of_what_is_gone_is_refused(scene: Scene) -> None:
    made, _ = scene.make(NETWORK)
    state = scene.state(NETWORK, made)
    scene.delete(NETWORK, made)
    with pytest.raises(ProviderError, match=r"Error updating Network .* was not found, notFound"):
        scene.provider.update(resource(NETWORK), made, scene.inputs(NETWORK), state, scene.inputs(NETWORK), 0, False)


def test_what_somebody_changed_in_the_cloud_is_read(scene: Scene) -> None:
    made, _ = scene.make(NETWORK)
    scene.update(NETWORK, made, routingMode="GLOBAL")
    read = scene.provider.read(resource(NETWORK), made, scene.inputs(NETWORK), {})
    assert read is not None
    assert get(read.inputs, "routingMode") == "GLOBAL"


@pytest.mark.parametrize("call", ["check", "diff", "create", "read", "update", "delete"])
def test_an_unknown_type_is_an_error_that_names_it(scene: Scene, call: str) -> None:
    unknown = resource("gcp:storage/bucket:Bucket")
    arguments: dict[str, tuple[Any, ...]] = {
        "check": ({}, {}, b""),
        "diff": ("id", {}, {}, {}, []),
        "create": ({}, 0, False),
        "read": ("id", {}, {}),
        "update": ("id", {}, {}, {}, 0, False),
        "delete": ("id", {}, {}, 0),
    }
    with pytest.raises(ProviderError, match="gcp:storage/bucket:Bucket is not played"):
        getattr(scene.provider, call)(unknown, *arguments[call])


def test_an_unknown_function_is_an_error_that_names_it(scene: Scene) -> None:
    with pytest.raises(ProviderError, match="gcp:compute/getZones:getZones"):
        scene.provider.invoke("gcp:compute/getZones:getZones", {})
