"""What the Gateway controller says of a Gateway."""

from __future__ import annotations

import ipaddress

import pytest

from rehearsal.gke.gateway import Cloud, NamedAddress, changes
from tests.rehearsal.gke.objects import (
    EXTERNAL,
    GLOBAL,
    LATER,
    NOW,
    VIP,
    conditions,
    gateway,
    gateway_conditions,
    https,
    listener,
    programmed_message,
    route,
    route_conditions,
    route_message,
    rule,
    settled,
    status_of,
    world,
)

GOOD = {"Accepted": ("True", "Accepted"), "Programmed": ("True", "Programmed")}
HEALTHY = "networking.gke.io/GatewayHealthy"


def test_a_good_gateway_is_programmed_with_an_address_of_the_load_balancers_range() -> None:
    change = status_of(world(), "Gateway", "gw")
    assert conditions(change.status["conditions"]) == {**GOOD, HEALTHY: ("True", "Healthy")}
    [address] = change.status["addresses"]
    assert address["type"] == "IPAddress"
    assert ipaddress.ip_address(address["value"]) in ipaddress.ip_network("127.64.255.0/24")
    [listed] = change.status["listeners"]
    assert (listed["name"], listed["attachedRoutes"]) == ("http", 1)
    assert conditions(listed["conditions"]) == {
        "Accepted": ("True", "Accepted"),
        "ResolvedRefs": ("True", "ResolvedRefs"),
        "Programmed": ("True", "Programmed"),
    }
    assert not change.failed


def test_nothing_is_written_when_nothing_changed() -> None:
    assert changes(settled(world()), LATER) == []


def test_a_condition_keeps_its_time_until_its_status_changes() -> None:
    base = settled(world())
    base.gateways["ns", "gw"]["metadata"]["generation"] = 2
    [change] = changes(base, LATER)
    assert {item["observedGeneration"] for item in change.status["conditions"]} == {2}
    assert {item["lastTransitionTime"] for item in change.status["conditions"]} == {NOW}


def test_a_gateway_keeps_its_address_when_it_is_stopped() -> None:
    base = settled(world())
    before = base.gateways["ns", "gw"]["status"]["addresses"]
    base.routes["ns", "route"]["spec"]["rules"][0]["timeouts"] = {"request": "0s"}
    change = status_of(base, "Gateway", "gw")
    assert change.failed
    assert change.status["addresses"] == before


def test_two_gateways_have_two_addresses() -> None:
    base = world(gateway(name="second"))
    values = [status_of(base, "Gateway", name).status["addresses"][0]["value"] for name in ("gw", "second")]
    assert len(set(values)) == 2


def test_a_gateway_of_an_unknown_or_absent_class_is_left_alone() -> None:
    assert [c for c in changes(world(gateway(class_name="istio")), NOW) if c.object["kind"] == "Gateway"] == []
    late = world(classes=frozenset())
    assert [c.object["kind"] for c in changes(late, NOW)] == []


def test_a_named_address_is_the_gateways_address() -> None:
    base = world(gateway(addresses=[{"type": "NamedAddress", "value": "vip"}]))
    assert status_of(base, "Gateway", "gw").status["addresses"] == [{"type": "IPAddress", "value": "10.0.0.9"}]


@pytest.mark.parametrize(
    ("wanted", "present", "says"),
    [
        ({"type": "IPAddress", "value": "10.0.0.9"}, VIP, 'unsupported address type "IPAddress", only "NamedAddress"'),
        ({"type": "networking.gke.io/NamedAddress", "value": "vip"}, VIP, "unsupported address type"),
        ({"type": "NamedAddress", "value": "other"}, VIP, 'address "other" does not exist'),
        (
            {"type": "NamedAddress", "value": "vip"},
            NamedAddress("vip", "", "34.0.0.1", "INTERNAL", ""),
            "does not exist",
        ),
        (
            {"type": "NamedAddress", "value": "vip"},
            NamedAddress("vip", "europe-west4", "10.0.0.9", "INTERNAL", "SHARED_LOADBALANCER_VIP"),
            "does not exist",
        ),
        (
            {"type": "NamedAddress", "value": "vip"},
            NamedAddress("vip", "us-east5", "10.0.0.9", "INTERNAL", "GCE_ENDPOINT"),
            "SHARED_LOADBALANCER_VIP",
        ),
        (
            {"type": "NamedAddress", "value": "vip"},
            NamedAddress("vip", "us-east5", "203.0.113.9", "EXTERNAL", ""),
            "INTERNAL is needed",
        ),
    ],
)
def test_a_wrong_address_is_gwcer106(wanted: dict[str, str], present: NamedAddress, says: str) -> None:
    base = world(gateway(addresses=[wanted]), cloud=Cloud("us-east5", True, (present,)))
    assert gateway_conditions(base)["Programmed"] == ("False", "Invalid")
    message = programmed_message(base)
    assert message.startswith('Error GWCER106: Gateway "ns/gw" is invalid, err: ')
    assert says in message
    [listed] = status_of(base, "Gateway", "gw").status["listeners"]
    assert conditions(listed["conditions"])["Accepted"] == ("False", "UnsupportedAddress")
    assert "addresses" not in status_of(base, "Gateway", "gw").status


def test_a_regional_gateway_waits_for_a_proxy_only_subnet() -> None:
    missing = Cloud("us-east5", False)
    for class_name in ("gke-l7-rilb", EXTERNAL):
        base = world(gateway(class_name=class_name), cloud=missing)
        assert gateway_conditions(base)["Programmed"] == ("False", "Invalid")
        assert "An active proxy-only subnetwork is required" in programmed_message(base)
        assert gateway_conditions(base)["Accepted"] == ("True", "Accepted")
    web = route(rule(backendRefs=[{"kind": "Service", "name": "web", "port": 80}]))
    assert gateway_conditions(world(gateway(class_name=GLOBAL), web, cloud=missing))["Programmed"][0] == "True"


def test_a_missing_tls_secret_stops_every_listener_until_it_is_there() -> None:
    listeners = listener(), https(certificateRefs=[{"group": "", "kind": "Secret", "name": "tls"}])
    base = world(gateway(*listeners))
    assert programmed_message(base) == "Error GWCER102: Secret ns/tls not found."
    plain, secure = status_of(base, "Gateway", "gw").status["listeners"]
    assert conditions(plain["conditions"])["Programmed"] == ("False", "Invalid")
    assert conditions(plain["conditions"])["ResolvedRefs"] == ("True", "ResolvedRefs")
    assert conditions(secure["conditions"])["ResolvedRefs"] == ("False", "InvalidCertificateRef")
    there = world(gateway(*listeners), secrets=frozenset({("ns", "tls")}))
    assert gateway_conditions(there)["Programmed"] == ("True", "Programmed")


@pytest.mark.parametrize(
    ("tls", "code"),
    [
        ({"options": {"networking.gke.io/certs": "a"}}, "GWCER105"),
        ({"options": {"networking.gke.io/certmap": "a"}}, "GWCER105"),
        ({}, "GWCER106"),
        (
            {"options": {"networking.gke.io/pre-shared-certs": "a", "networking.gke.io/cert-manager-certs": "b"}},
            "GWCER106",
        ),
    ],
)
def test_wrong_certificates_stop_the_gateway(tls: dict[str, object], code: str) -> None:
    message = programmed_message(world(gateway(listener(), https(**tls))))
    assert message.startswith(f'Error {code}: Gateway "ns/gw" is invalid')


@pytest.mark.parametrize("option", ["networking.gke.io/pre-shared-certs", "networking.gke.io/cert-manager-certs"])
def test_certificates_by_name_are_accepted(option: str) -> None:
    assert gateway_conditions(world(gateway(listener(), https(options={option: "a"}))))["Programmed"][0] == "True"


def test_one_bad_route_stops_the_whole_gateway_and_every_other_route() -> None:
    bad = route(rule(timeouts={"request": "0s"}), name="bad")
    base = world(bad)
    assert gateway_conditions(base)["Programmed"] == ("False", "Invalid")
    assert programmed_message(base) == (
        'Error GWCER104: HTTPRoute "ns/bad" is misconfigured, err: Timeouts are not supported.'
    )
    assert gateway_conditions(base)[HEALTHY] == ("False", "Error")
    assert route_conditions(base)["Accepted"] == ("True", "Accepted")
    assert route_conditions(base)["Reconciled"] == ("False", "ReconciliationFailed")
    assert route_message(base, "Reconciled").startswith("error cause: no-error-isolation: Error GWCER104")


def test_a_bad_route_of_another_gateway_stops_nothing() -> None:
    bad = route(rule(timeouts={"request": "0s"}), name="bad", parent={"name": "second", "namespace": "ns"})
    base = world(bad, gateway(name="second"))
    assert gateway_conditions(base)["Programmed"][0] == "True"
    assert gateway_conditions(base, "second")["Programmed"][0] == "False"
