"""What the Gateway controller says of Gateways, routes, pools and policies."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import Any

import pytest

from manifests.rendered import rendered
from rehearsal.gke.gateway.objects import KINDS, Objects
from rehearsal.gke.gateway.problems import not_emulated
from rehearsal.gke.gateway.status import changes
from tests.manifests.test_manifests import DEPLOYMENTS
from tests.rehearsal.gke import objects as made
from tests.rehearsal.gke.objects import (
    CLOUD,
    GLOBAL,
    LATER,
    NOW,
    PARENT,
    POOL_GROUP,
    WEB_REF,
    Obj,
    change_of,
    cluster,
    conditions,
    gateway,
    https,
    listener,
    policy,
    route,
    rule,
)

ACCEPTED, RESOLVED, PROGRAMMED = ("True", "Accepted"), ("True", "ResolvedRefs"), ("True", "Programmed")
RECONCILED, FAILED, STOPPED = (
    ("True", "ReconciliationSucceeded"),
    ("False", "ReconciliationFailed"),
    ("False", "Invalid"),
)
HEALTHY = "networking.gke.io/GatewayHealthy"
TIMEOUTS: Obj = {"timeouts": {"request": "0s", "backendRequest": "0s"}}


def of_gateway(objects: Objects, **cloud: Any) -> tuple[dict[str, tuple[str, str]], str]:
    """Conditions, and why it is not programmed."""
    found = change_of(objects, "Gateway", "gw", replace(CLOUD, **cloud)).status["conditions"]
    return conditions(found), next(item["message"] for item in found if item["type"] == "Programmed")


def of_parent(objects: Objects, kind: str = "HTTPRoute", name: str = "route") -> tuple[dict[str, tuple[str, str]], str]:
    """Conditions for the one parent, and the first message of them."""
    [parent] = change_of(objects, kind, name).status["parents"]
    return conditions(parent["conditions"]), next((i["message"] for i in parent["conditions"] if i["message"]), "")


def test_a_good_gateway_is_programmed_with_an_address_of_the_load_balancers_range() -> None:
    change = change_of(cluster(), "Gateway", "gw")
    good = {"Accepted": ACCEPTED, "Programmed": PROGRAMMED}
    assert conditions(change.status["conditions"]) == {**good, HEALTHY: ("True", "Healthy")}
    [address], [listed] = change.status["addresses"], change.status["listeners"]
    assert ipaddress.ip_address(address["value"]) in CLOUD.range
    assert (listed["name"], listed["attachedRoutes"]) == ("http", 1)
    assert conditions(listed["conditions"]) == {**good, "ResolvedRefs": RESOLVED}
    assert (change.failed, change.message) == (False, "SYNC on ns/gw was a success")


def test_nothing_is_written_when_nothing_changed_and_a_condition_keeps_its_time() -> None:
    objects = made.settled(cluster())
    assert changes(objects, CLOUD, LATER) == []
    objects["Gateway"]["ns", "gw"]["metadata"]["generation"] = 2
    [change] = changes(objects, CLOUD, LATER)
    assert {item["observedGeneration"] for item in change.status["conditions"]} == {2}
    assert {item["lastTransitionTime"] for item in change.status["conditions"]} == {NOW}


def test_a_gateway_is_left_alone_before_its_class_is_there() -> None:
    assert changes(cluster(without=("GatewayClass", "gke-l7-rilb")), CLOUD, NOW) == []


def test_a_stopped_gateway_keeps_its_address_and_nobody_else_has_it() -> None:
    objects = made.settled(cluster(gateway(name="second")))
    before = objects["Gateway"]["ns", "gw"]["status"]["addresses"]
    assert before != objects["Gateway"]["ns", "second"]["status"]["addresses"]
    objects["HTTPRoute"]["ns", "route"]["spec"]["rules"][0].update(TIMEOUTS)
    change = change_of(objects, "Gateway", "gw")
    assert (change.failed, change.status["addresses"]) == (True, before)
    web = made.service("web", 80)
    web["spec"]["clusterIP"] = before[0]["value"]
    assert change_of(cluster(web), "Gateway", "gw").status["addresses"] != before


def test_a_named_address_is_the_gateways_and_one_that_is_not_there_is_gwcer106() -> None:
    wanted = [{"type": "NamedAddress", "value": "vip"}]
    named = cluster(gateway(addresses=wanted))
    assert change_of(named, "Gateway", "gw").status["addresses"] == [{"type": "IPAddress", "value": "10.0.0.9"}]
    found, message = of_gateway(named, addresses={"other": "10.0.0.9"})
    assert (found["Programmed"], message) == (
        STOPPED,
        'Error GWCER106: Gateway "ns/gw" is invalid, err: address "vip" does not exist.',
    )
    change = change_of(named, "Gateway", "gw", replace(CLOUD, addresses={}))
    assert conditions(change.status["listeners"][0]["conditions"])["Accepted"] == ("False", "UnsupportedAddress")
    assert "addresses" not in change.status
    assert "does not exist" in of_gateway(cluster(gateway(class_name=GLOBAL, addresses=wanted)))[1]


def test_a_regional_gateway_waits_for_a_proxy_only_subnet_and_a_global_one_does_not() -> None:
    found, message = of_gateway(cluster(), proxy_only_subnet=False)
    assert (found["Programmed"], found["Accepted"]) == (STOPPED, ACCEPTED)
    assert "An active proxy-only subnetwork is required in the same region and VPC" in message
    everywhere = cluster(gateway(class_name=GLOBAL), route(rule(backendRefs=[WEB_REF])))
    assert of_gateway(everywhere, proxy_only_subnet=False)[0]["Programmed"] == PROGRAMMED


def test_a_missing_tls_secret_stops_every_listener_until_it_is_there() -> None:
    front = gateway(listener(), https(certificateRefs=[{"group": "", "kind": "Secret", "name": "tls"}]))
    assert of_gateway(cluster(front))[1] == "Error GWCER102: Secret ns/tls not found."
    plain, secure = (
        conditions(i["conditions"]) for i in change_of(cluster(front), "Gateway", "gw").status["listeners"]
    )
    assert (plain["Programmed"], plain["ResolvedRefs"]) == (STOPPED, RESOLVED)
    assert secure["ResolvedRefs"] == ("False", "InvalidCertificateRef")
    secret = {"kind": "Secret", "metadata": {"name": "tls", "namespace": "ns"}}
    assert of_gateway(cluster(front, secret))[0]["Programmed"] == PROGRAMMED


def test_one_bad_route_stops_its_whole_gateway_and_every_other_route_and_no_other_gateway() -> None:
    elsewhere = route(name="free", parent={**PARENT, "name": "second"})
    objects = cluster(route(rule(**TIMEOUTS), name="bad"), gateway(name="second"), elsewhere)
    found, message = of_gateway(objects)
    assert message == 'Error GWCER104: HTTPRoute "ns/bad" is misconfigured, err: Timeouts are not supported.'
    assert (found["Programmed"], found[HEALTHY]) == (STOPPED, ("False", "Error"))
    bad = {"Accepted": STOPPED, "ResolvedRefs": RESOLVED, "Reconciled": FAILED}
    assert of_parent(objects, name="bad") == (bad, message)
    good, blocked = of_parent(objects)
    assert (good["Accepted"], good["Reconciled"]) == (ACCEPTED, FAILED)
    assert blocked == f"error cause: no-error-isolation: {message}"
    assert of_parent(objects, name="free")[0]["Reconciled"] == RECONCILED


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        (
            {"group": POOL_GROUP, "kind": "InferencePool", "name": "gone"},
            "Error GWCER102: inferencepools ns/gone not found",
        ),
        ({"name": "gone"}, "Error GWCER102: services ns/gone not found"),
        ({"name": "web", "port": 81}, "port 81 does not exist in service ns/web"),
    ],
)
def test_a_backend_that_is_not_there_is_not_resolved(reference: Obj, says: str) -> None:
    found, message = of_parent(cluster(route(rule(backendRefs=[reference]))))
    assert (found["ResolvedRefs"], found["Reconciled"]) == (("False", "BackendNotFound"), FAILED)
    assert message == (
        f'error cause: reference-not-found: Error GWCER104: HTTPRoute "ns/route" is misconfigured, err: {says}'
    )


def test_a_global_class_takes_no_pool_and_a_pool_whose_route_is_rejected_says_so() -> None:
    objects = cluster(gateway(class_name=GLOBAL))
    assert of_parent(objects)[0]["Accepted"] == ("False", "UnsupportedValue")
    assert of_parent(objects, "InferencePool", "pool")[0]["Accepted"] == ("False", "NotSupportedByParent")
    rejected = of_parent(cluster(route(rule(**TIMEOUTS))), "InferencePool", "pool")[0]
    assert rejected["Accepted"] == ("False", "HTTPRouteNotAccepted")


@pytest.mark.parametrize(
    ("bound", "attaches"),
    [
        (route(parent={**PARENT, "sectionName": "https"}), False),
        (route(namespace="other"), False),
        (route(hostnames=["b.example"]), False),
        (route(hostnames=["a.example"]), True),
        (route(), True),
    ],
)
def test_a_route_without_listener_is_not_accepted_and_stops_nothing(bound: Obj, attaches: bool) -> None:
    objects = cluster(gateway(listener(hostname="a.example")), bound)
    found, message = of_parent(objects)
    assert found["Accepted"] == (ACCEPTED if attaches else ("False", "NoMatchingParent"))
    assert ("has no listener for HTTPRoute" in message) is not attaches
    change = change_of(objects, "Gateway", "gw")
    assert (change.status["listeners"][0]["attachedRoutes"], change.failed) == (int(attaches), False)


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"retry": {"attempts": 2}}, "rules.retry.attempts"),
        ({"matches": [{"path": {"type": "Exact", "value": "/a"}, "method": "GET"}]}, "rules.matches.method, rules.matches.path.type"),
        ({"backendRefs": [{**WEB_REF, "weight": 3}]}, "rules.backendRefs.weight"),
        ({"backendRefs": [{**WEB_REF, "namespace": "other"}]}, "rules.backendRefs.namespace"),
        ({"backendRefs": [{**WEB_REF, "group": "inference.networking.x-k8s.io"}]}, "rules.backendRefs.group"),
        ({"backendRefs": [WEB_REF, WEB_REF]}, "more than one backend of a rule"),
    ],
)  # fmt: skip
def test_what_is_not_emulated_of_a_route_is_said_and_stops_the_gateway(part: Obj, field: str) -> None:
    objects = cluster(route(rule(**part)))
    found, message = of_parent(objects)
    assert (found["Accepted"], message) == (("False", "UnsupportedValue"), f"not emulated: {field}")
    assert of_gateway(objects)[1] == message
    front = gateway(https(options={"networking.gke.io/certs": "a"}))
    assert of_gateway(cluster(front))[1] == "not emulated: listeners.tls.options.networking.gke.io/certs"


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_everything_of_every_environment_is_emulated(name: str) -> None:
    kinds = KINDS.keys() - {"Service", "Secret", "ConfigMap", "Pod", "GatewayClass", "InferencePool"}
    found = [item for item in rendered(DEPLOYMENTS[name]).objects() if item["kind"] in kinds]
    assert {item["kind"] for item in found} >= {"Gateway", "HTTPRoute", "HealthCheckPolicy", "GCPBackendPolicy"}
    assert [not_emulated(item) for item in found] == [""] * len(found)


def test_a_policy_is_attached_to_what_is_there() -> None:
    of_web = policy("GCPBackendPolicy", "web", timeoutSec=60, securityPolicy="edge")
    odd = policy("GCPBackendPolicy", sessionAffinity={"type": "CLIENT_IP"})
    objects = cluster(made.health_policy(), of_web, policy("GCPBackendPolicy", "gone"), odd)
    found = {change.object["metadata"]["name"]: change for change in changes(objects, CLOUD, NOW)}
    assert {name: conditions(found[name].status["conditions"])["Attached"] for name in found if "-" in name} == {
        "healthcheckpolicy-pool": ("True", "Attached"),
        "gcpbackendpolicy-web": ("True", "Attached"),
        "gcpbackendpolicy-gone": ("False", "TargetNotFound"),
        "gcpbackendpolicy-pool": ("False", "Invalid"),
    }  # fmt: skip
    assert found["gcpbackendpolicy-pool"].message == "not emulated: default.sessionAffinity.type"
    done = 'Application of GCPBackendPolicy "ns/gcpbackendpolicy-web" was a success'
    assert found["gcpbackendpolicy-web"].message == f"{done}; not emulated: default.securityPolicy"
