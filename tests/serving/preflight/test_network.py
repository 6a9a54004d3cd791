"""An existing network, its proxy-only subnet and ranges, and what the Gateway names."""

from __future__ import annotations

import json
from typing import Any

import pytest

from serving.checking.findings import Verdict
from serving.preflight.dns import PublicDns
from tests.serving.preflight.conftest import DelegatedTo, Scene, environment

FAIL, WARN = Verdict.FAIL, Verdict.WARN
REGION = "europe-west4"
PROXY = {"purpose": "REGIONAL_MANAGED_PROXY", "role": "ACTIVE"}
EXISTING: dict[str, Any] = {
    "mode": "existing",
    "name": "vpc",
    "subnetwork": "nodes",
    "proxyOnlySubnet": {"mode": "existing", "name": "proxies"},
}


@pytest.fixture
def existing(scene: Scene) -> Scene:
    scene.use(environment(network=EXISTING))
    return scene


@pytest.fixture
def adding(scene: Scene) -> Scene:
    """An existing network, to which a proxy-only subnet is to be added."""
    scene.use(environment(network={**EXISTING, "proxyOnlySubnet": {"mode": "create"}}))
    return scene


def test_a_network_that_is_not_there_fails(existing: Scene) -> None:
    existing.fake.networks = {}
    assert existing.only("network", FAIL).failure == "network-not-found"


def test_a_name_that_is_taken_warns_unless_the_cluster_is_ours(scene: Scene) -> None:
    scene.fake.networks["tpu-serving-dev"] = {"name": "tpu-serving-dev"}
    assert scene.only("network", WARN).failure == "network-name-taken"
    scene.fake.clusters["tpu-serving-dev"] = {"resourceLabels": dict(scene.deployment.labels)}
    assert {result.verdict for result in scene.results("network")} == {Verdict.PASS}


def test_a_node_subnet_that_does_not_fit(existing: Scene) -> None:
    nodes = existing.fake.subnets["nodes"]
    nodes["privateIpGoogleAccess"] = False
    assert existing.only("network", WARN).failure == "no-private-google-access"
    nodes["secondaryIpRanges"] = [{"rangeName": "pods", "ipCidrRange": "10.200.0.0/16"}]
    assert existing.only("network", FAIL).needed == "services"
    nodes["network"] = existing.fake.url("global/networks/other")
    assert existing.only("network", FAIL).failure == "subnet-of-another-network"
    del existing.fake.subnets["nodes"]
    assert existing.only("network", FAIL).failure == "subnet-not-found"


def test_an_existing_proxy_only_subnet_that_does_not_fit(existing: Scene) -> None:
    proxies = existing.fake.subnets["proxies"]
    proxies["ipCidrRange"] = "10.198.0.0/27"
    assert existing.only("proxy-only-subnet", FAIL).failure == "proxy-only-subnet-too-small"
    proxies["role"] = "BACKUP"
    assert existing.only("proxy-only-subnet", FAIL).failure == "proxy-only-subnet-not-active"
    existing.fake.subnet("theirs", "vpc", REGION, "10.197.0.0/23", **PROXY)
    del existing.fake.subnets["proxies"]
    result = existing.only("proxy-only-subnet", FAIL)
    assert (result.failure, result.fix) == (
        "proxy-only-subnet-not-found",
        "Write network.proxyOnlySubnet.name: theirs.",
    )


def test_a_proxy_only_subnet_of_another_region_or_network_is_none(existing: Scene) -> None:
    existing.fake.subnets["proxies"]["region"] = existing.fake.url("regions/us-east5")
    assert existing.only("proxy-only-subnet", FAIL).failure == "proxy-only-subnet-not-found"
    existing.fake.subnets["proxies"]["region"] = existing.fake.url(f"regions/{REGION}")
    existing.fake.subnets["proxies"]["network"] = existing.fake.url("global/networks/other")
    assert existing.only("proxy-only-subnet", FAIL).failure == "proxy-only-subnet-not-found"


def test_a_second_active_proxy_only_subnet_fails_and_our_own_does_not(adding: Scene) -> None:
    adding.fake.subnet("vpc-proxy-only", "vpc", REGION, "10.129.0.0/23", **PROXY)
    assert {r.verdict for c in ("proxy-only-subnet", "address-ranges") for r in adding.results(c)} == {Verdict.PASS}
    adding.fake.subnet("theirs", "vpc", REGION, "10.197.0.0/23", **PROXY)
    result = adding.only("proxy-only-subnet", FAIL)
    assert result.fix == "Write network.proxyOnlySubnet: {mode: existing, name: theirs}."


def test_ranges_that_are_in_use_name_a_free_one(adding: Scene) -> None:
    adding.fake.subnet("other", "vpc", "us-east5", "10.129.0.0/20")
    result = adding.only("address-ranges", FAIL)
    assert result.object == "network.proxyOnlySubnet.cidr 10.129.0.0/23"
    assert result.message == "10.129.0.0/20 of subnet other"
    assert result.fix == "Write network.proxyOnlySubnet.cidr: 10.0.0.0/23."


def test_secondary_ranges_peers_and_allocations_are_in_use_too(adding: Scene) -> None:
    plane = "cluster.controlPlane.cidr 172.16.0.0/28"
    adding.fake.networks["vpc"]["peerings"] = [
        {"name": "peer", "state": "ACTIVE"},
        {"name": "old", "state": "INACTIVE"},
    ]
    adding.fake.peering_routes = ["172.16.0.0/24", "0.0.0.0/0"]
    result = adding.only("address-ranges", FAIL)
    assert (result.object, result.message) == (plane, "172.16.0.0/24 of peering peer")
    adding.fake.peering_routes = []
    network = adding.fake.url("global/networks/vpc")
    allocation = {
        "name": "google",
        "purpose": "VPC_PEERING",
        "address": "172.16.0.0",
        "prefixLength": 16,
        "network": network,
    }
    adding.fake.allocations = [allocation, {**allocation, "network": adding.fake.url("global/networks/other")}]
    assert adding.only("address-ranges", FAIL).message == "172.16.0.0/16 of allocation google"
    adding.fake.allocations = []
    secondary = [{"rangeName": "pods-2", "ipCidrRange": "172.16.0.0/20"}]
    adding.fake.subnet("other", "vpc", "us-east5", "10.1.0.0/20", secondaryIpRanges=secondary)
    assert adding.only("address-ranges", FAIL).message == "172.16.0.0/20 of subnet other, pods-2"


def test_ranges_of_another_network_are_not_in_the_way(adding: Scene) -> None:
    adding.fake.subnet("other", "elsewhere", REGION, "10.129.0.0/20")
    assert {result.verdict for result in adding.results("address-ranges")} == {Verdict.PASS}


def test_an_ipv6_subnet_has_no_range_to_compare(adding: Scene) -> None:
    adding.fake.subnet("six", "vpc", REGION, "10.1.0.0/20")
    del adding.fake.subnets["six"]["ipCidrRange"]
    assert {result.verdict for result in adding.results("address-ranges")} == {Verdict.PASS}


INTERNAL = {"address": {"name": "models"}}
SHARED = {"addressType": "INTERNAL", "purpose": "SHARED_LOADBALANCER_VIP", "status": "RESERVED", "address": "10.0.0.9"}
ADDRESSES: list[tuple[dict[str, Any] | None, Verdict, str]] = [
    (None, FAIL, "address-not-found"),
    ({**SHARED, "addressType": "EXTERNAL"}, FAIL, "address-of-another-kind"),
    ({**SHARED, "purpose": "GCE_ENDPOINT"}, FAIL, "address-of-another-kind"),
    ({**SHARED, "status": "IN_USE", "users": ["https://x/forwardingRules/other"]}, WARN, "address-in-use"),
]


@pytest.mark.parametrize(("found", "verdict", "failure"), ADDRESSES)
def test_a_named_address_that_does_not_fit(
    scene: Scene, found: dict[str, Any] | None, verdict: Verdict, failure: str
) -> None:
    scene.use(environment(gateway=INTERNAL))
    scene.fake.addresses = {"models": found} if found else {}
    result = scene.only("gateway-address", verdict)
    assert result.failure == failure
    if verdict is FAIL:
        assert "--purpose=SHARED_LOADBALANCER_VIP" in result.fix


def test_an_address_to_be_created_whose_name_is_taken_warns(scene: Scene) -> None:
    scene.use(environment(gateway={"address": {"name": "models", "create": True}}))
    scene.fake.addresses["models"] = SHARED
    assert scene.only("gateway-address", WARN).failure == "address-name-taken"


SECURE: dict[str, Any] = {
    "gatewayClassName": "gke-l7-regional-external-managed",
    "tls": {"certificateManagerCerts": ["models"], "sslPolicy": "modern"},
    "authentication": {"securityPolicy": "armor"},
}


def test_certificates_of_certificate_manager(scene: Scene) -> None:
    fake = scene.use(environment(gateway=SECURE))
    fake.certificates["models"] = {"managed": {"state": "PROVISIONING"}}
    assert scene.only("gateway-security", WARN).failure == "certificate-not-active"
    issue = {"reason": "AUTHORIZATION_ISSUE"}
    fake.certificates["models"] = {"managed": {"state": "FAILED", "provisioningIssue": issue}}
    assert scene.only("gateway-security", FAIL).message == "FAILED AUTHORIZATION_ISSUE"
    fake.certificates["models"] = {"selfManaged": {}, "expireTime": "2020-01-01T00:00:00Z"}
    assert scene.only("gateway-security", FAIL).failure == "certificate-expires"
    fake.certificates = {}
    assert scene.only("gateway-security", FAIL).failure == "certificate-not-found"


def test_the_zone_of_a_certificate_to_create(scene: Scene) -> None:
    tls = {"managedCertificate": {"name": "models", "dnsZone": "zone", "dnsProject": "dns-project"}}
    fake = scene.use(environment(gateway={**SECURE, "hostname": "llm.example.com", "tls": tls}))
    assert {result.verdict for result in scene.results("gateway-security")} == {Verdict.PASS}
    fake.certificates["models"] = {"managed": {"state": "PROVISIONING"}}
    assert scene.only("gateway-security", WARN).failure == "certificate-not-active"
    fake.certificates = {}
    for wrong in ({"dnsName": "ample.com."}, {"dnsName": "example.org."}, {"visibility": "private"}):
        fake.zones_of_dns["zone"] = {"dnsName": "example.com.", "visibility": "public", **wrong}
        assert scene.only("gateway-security", FAIL).failure == "dns-zone-of-another-domain"
    fake.zones_of_dns = {}
    assert scene.only("gateway-security", FAIL).failure == "dns-zone-not-found"


def test_a_zone_to_which_nobody_delegates_is_named(scene: Scene) -> None:
    tls = {"managedCertificate": {"name": "models", "dnsZone": "zone"}}
    scene.use(environment(gateway={**SECURE, "hostname": "llm.example.com", "tls": tls}))
    for public, said in (((), "none that answers"), (("ns9.", "ns8."), "ns8., ns9.")):
        scene.dns = DelegatedTo(*public)
        finding = scene.only("gateway-security", WARN)
        assert (finding.failure, finding.message) == ("dns-zone-not-delegated", said)
        assert "NS records of example.com.: ns1." in finding.fix


@pytest.mark.parametrize(
    ("body", "servers"),
    [
        ({"Status": 0, "Answer": [{"name": "Example.com.", "type": 2, "data": "NS1.Example.net."}]}, {"ns1.example.net."}),
        # What a name leads to has name servers of its own.
        ({"Status": 0, "Answer": [{"name": "example.com.", "type": 5, "data": "other."}, {"name": "other.", "type": 2, "data": "ns."}]}, set()),
        ({"Status": 0, "Authority": [{"name": "com.", "type": 6, "data": "a b 1 2 3 4 5"}]}, set()),
        ({"Status": 2, "Comment": "no authority could be reached"}, set()),
        ({"Status": 3}, set()),
    ],
)  # fmt: skip
def test_name_servers_are_those_of_the_name_itself(scene: Scene, body: dict[str, Any], servers: set[str]) -> None:
    scene.hub.status, scene.hub.body = 200, json.dumps(body)
    assert PublicDns(5, f"{scene.hub.url}/resolve").name_servers("example.com") == servers


@pytest.mark.parametrize(("status", "body"), [(500, "{}"), (200, "<html>"), (200, "[]"), (200, '{"Status": 5}')])
def test_a_public_dns_that_does_not_answer_is_named(scene: Scene, status: int, body: str) -> None:
    tls = {"managedCertificate": {"name": "models", "dnsZone": "zone"}}
    scene.use(environment(gateway={**SECURE, "hostname": "llm.example.com", "tls": tls}))
    scene.hub.status, scene.hub.body = status, body
    scene.dns = PublicDns(5, f"{scene.hub.url}/resolve")
    assert scene.only("gateway-security", Verdict.UNKNOWN).failure == "dns-not-reachable"


def test_regional_policies_that_are_not_there_fail(scene: Scene) -> None:
    fake = scene.use(environment(gateway=SECURE))
    fake.ssl_policies = {}
    assert scene.only("gateway-security", FAIL).object == "ssl-policies modern in europe-west4"
    fake.ssl_policies, fake.security_policies = {"modern": {"name": "modern"}}, {}
    assert scene.only("gateway-security", FAIL).object == "security-policies armor in europe-west4"


def test_a_pre_shared_certificate_that_has_expired_or_is_missing_fails(scene: Scene) -> None:
    fake = scene.use(environment(gateway={**SECURE, "tls": {"preSharedCerts": ["models"]}}))
    fake.ssl_certificates["models"]["expireTime"] = "2020-01-01T00:00:00.000-07:00"
    assert scene.only("gateway-security", FAIL).failure == "certificate-expires"
    fake.ssl_certificates = {}
    assert scene.only("gateway-security", FAIL).failure == "certificate-not-found"
