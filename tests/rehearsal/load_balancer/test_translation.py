"""From objects to Envoy's configuration: pure functions, and Envoy's own judgement of what they make."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rehearsal.load_balancer.discovery import Kind
from rehearsal.load_balancer.envoy import bootstrap
from rehearsal.load_balancer.health import Health, State, verdicts
from rehearsal.load_balancer.listeners import Certificate
from rehearsal.load_balancer.model import Backend, gke_defaults
from rehearsal.load_balancer.report import report
from rehearsal.load_balancer.translation import Plan, plan
from rehearsal.load_balancer.translation import resources as resources_of
from tests.rehearsal.gke.objects import https, listener
from tests.rehearsal.load_balancer.objects import (
    POOL_GROUP,
    SERVICE_REF,
    Obj,
    backend_policy,
    bare_route,
    gateway,
    health_policy,
    objects,
    pod,
    pool,
    rule,
    service,
    service_route,
)
from tests.rehearsal.load_balancer.rig import envoy

ONE, TWO = ("127.90.0.1", 8000), ("127.90.0.2", 8000)
PICKER = service("pool-epp", 9002, 9002, "picker")
POOL_ID = "pool_ns_pool"


def planned(*items: Obj) -> Plan:
    return plan(objects(*items), gke_defaults(), lambda _, port: 20000 + port, lambda *_: ())


def backend(*items: Obj, name: str = POOL_ID) -> Backend:
    return planned(gateway(), bare_route(), *items).backends[name]


def web(*items: Obj) -> Backend:
    return planned(gateway(), service_route(), *items).backends["service_ns_web_80"]


def resources(made: Plan, kind: Kind, healthy: Any = None) -> dict[str, Any]:
    return dict(resources_of(made, healthy or {})[kind])


def test_a_pools_endpoints_are_its_ready_pods_on_its_port() -> None:
    pods = [pod("a", ONE), pod("b", TWO, ready=False), pod("c", TWO, app="other")]
    found = backend(pool(), PICKER, *pods)
    assert [(item.pod, item.address) for item in found.endpoints] == [("a", ONE)]
    assert found.picker is not None
    assert not found.picker.fail_open
    open_pool = backend(pool("FailOpen"), PICKER)
    assert open_pool.picker is not None
    assert open_pool.picker.fail_open


def test_a_port_that_a_pod_has_elsewhere_is_found_by_number_and_name() -> None:
    moved = pod("a", ONE, ports={8000: "127.0.0.1:41234"})
    for target in (8000, "http"):
        [endpoint] = web(service(target=target), moved).endpoints
        assert endpoint.address == ("127.0.0.1", 41234)


def test_a_health_check_is_the_policys_in_every_field() -> None:
    block = {
        "portSpecification": "USE_FIXED_PORT",
        "port": 9000,
        "requestPath": "/live",
        "host": "a.b",
        "response": "ok",
    }
    config = {"type": "HTTPS", "httpsHealthCheck": block}
    policy = health_policy(checkIntervalSec=7, timeoutSec=3, healthyThreshold=4, unhealthyThreshold=5, config=config)
    found = backend(pool(), PICKER, policy, pod("a", ONE, ports={9000: "127.0.0.1:9"})).check
    assert (found.type, found.path, found.host, found.response) == ("HTTPS", "/live", "a.b", "ok")
    assert (found.interval, found.timeout, found.healthy, found.unhealthy) == (7, 3, 4, 5)
    made = planned(gateway(), bare_route(), pool(), PICKER, policy, pod("a", ONE, ports={9000: "127.0.0.1:9"}))
    asked = resources(made, "clusters")[f"check_{POOL_ID}"]
    [check] = asked["health_checks"]
    assert (check["interval"], check["timeout"]) == ("7s", "3s")
    assert (check["healthy_threshold"], check["unhealthy_threshold"]) == (4, 5)
    assert check["http_health_check"]["host"] == "a.b"
    assert check["http_health_check"]["receive"] == [{"text": b"ok".hex()}]
    assert "UpstreamTlsContext" in asked["transport_socket"]["typed_config"]["@type"]
    assignment = resources(made, "endpoints")[f"check_{POOL_ID}"]
    [endpoint] = assignment["endpoints"][0]["lb_endpoints"]
    assert endpoint["endpoint"]["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 9}


def test_what_a_policy_leaves_out_has_the_fields_defaults() -> None:
    policy = health_policy()
    policy["spec"]["default"] = {}
    found = backend(pool(), PICKER, policy).check
    assert (found.type, found.path, found.interval, found.timeout) == ("HTTP", "/", 5, 5)
    assert (found.healthy, found.unhealthy) == (2, 2)


def test_without_a_policy_the_root_of_the_serving_port_is_asked() -> None:
    found = backend(pool(), PICKER, pod("a", ONE))
    assert (found.check.type, found.check.path, found.check.interval) == ("HTTP", "/", 15)
    assert found.endpoints[0].probe == ONE
    assert web(service(appProtocol="https")).check.type == "HTTPS"


def test_a_block_of_another_type_is_ignored() -> None:
    config = {"type": "HTTPS", "httpHealthCheck": {"requestPath": "/health", "port": 9}}
    found = backend(pool(), PICKER, health_policy(config=config), pod("a", ONE))
    assert (found.check.type, found.check.path, found.endpoints[0].probe) == ("HTTPS", "/", ONE)


def test_the_picker_is_asked_by_grpc_on_9003_unless_a_policy_says_otherwise() -> None:
    picker = pod(
        "p", ("127.90.0.9", 1), "picker", ports={9002: "127.0.0.1:1", 9003: "127.0.0.1:2", 9000: "127.0.0.1:3"}
    )
    found = backend(pool(), PICKER, picker, name="picker_ns_pool-epp")
    assert found.check.type == "GRPC"
    assert [(item.address, item.probe) for item in found.endpoints] == [(("127.0.0.1", 1), ("127.0.0.1", 2))]
    config = {"type": "GRPC", "grpcHealthCheck": {"port": 9000, "grpcServiceName": "s"}}
    policy = health_policy("pool-epp", "Service", config=config)
    found = backend(pool(), PICKER, picker, policy, name="picker_ns_pool-epp")
    assert (found.check.grpc_service, found.endpoints[0].probe) == ("s", ("127.0.0.1", 3))


def test_the_time_limit_is_the_policys_or_thirty_seconds() -> None:
    assert backend(pool(), PICKER).time_limit == 30
    assert backend(pool(), PICKER, backend_policy(timeoutSec=3600)).time_limit == 3600
    assert backend(pool(), PICKER, backend_policy()).time_limit == 30


def test_only_healthy_endpoints_take_traffic_and_all_are_asked() -> None:
    made = planned(gateway(), bare_route(), pool(), PICKER, pod("a", ONE), pod("b", TWO))
    traffic = resources(made, "endpoints", {POOL_ID: {TWO}})[POOL_ID]
    asked = resources(made, "endpoints", {POOL_ID: {TWO}})[f"check_{POOL_ID}"]

    def hosts(assignment: dict[str, Any]) -> list[str]:
        found = [item for group in assignment["endpoints"] for item in group["lb_endpoints"]]
        return [item["endpoint"]["address"]["socket_address"]["address"] for item in found]

    assert hosts(traffic) == ["127.90.0.2"]
    assert hosts(asked) == ["127.90.0.1", "127.90.0.2"]


def test_the_more_specific_match_comes_first() -> None:
    def match(value: str, kind: str = "PathPrefix", **more: Any) -> Obj:
        return rule(matches=[{"path": {"type": kind, "value": value}, **more}], backendRefs=[SERVICE_REF], filters=[])

    header = [{"name": "x", "value": "y"}]
    route = bare_route(match("/"), match("/a"), match("/a", headers=header), match("/a", "Exact"), match("/a/b/"))
    made = planned(gateway(), route, service())
    configuration = resources(made, "routes")["ns_gw_http"]
    [host] = configuration["virtual_hosts"]
    found = [item["match"] for item in host["routes"]]
    assert [next(iter(item.values())) for item in found] == ["/a", "/a/b", "/a", "/a", "/", "/"]
    assert [next(iter(item)) for item in found[:2]] == ["path", "path_separated_prefix"]
    assert "headers" in found[2]
    assert "headers" not in found[3]


def test_the_longest_host_name_wins_and_only_common_names_are_served() -> None:
    narrow = service_route("/narrow")
    narrow["spec"]["hostnames"] = ["a.example.com", "elsewhere.org"]
    wide = bare_route(rule(backendRefs=[SERVICE_REF]), name="wide")
    made = planned(gateway({**listener(), "hostname": "*.example.com"}), narrow, wide, service())
    configuration = resources(made, "routes")["ns_gw_http"]
    hosts = {item["name"]: [route["match"] for route in item["routes"]] for item in configuration["virtual_hosts"]}
    assert set(hosts) == {"*.example.com", "a.example.com"}
    assert [next(iter(item.values())) for item in hosts["a.example.com"]] == ["/narrow", "/ns/m", "/"]
    assert [next(iter(item.values())) for item in hosts["*.example.com"]] == ["/ns/m", "/"]


def test_a_backend_that_is_not_there_aborts_its_route() -> None:
    made = planned(gateway(), bare_route())
    configuration = resources(made, "routes")["ns_gw_http"]
    first = configuration["virtual_hosts"][0]["routes"][0]
    assert "envoy.filters.http.fault" in first["typed_per_filter_config"]
    assert made.backends == {}


def test_an_https_listener_without_a_usable_certificate_is_not_served() -> None:
    made = planned(gateway(listener(), https(certificateRefs=[{"name": "none"}])), service_route(), service())
    assert [item.listener["name"] for item in made.fronts] == ["http"]


def test_an_unprogrammed_gateway_is_not_served() -> None:
    made = planned(gateway(programmed=False), service_route(), service())
    assert (made.fronts, made.backends) == ((), {})


def test_the_same_objects_give_the_same_resources() -> None:
    items = (gateway(), bare_route(), pool(), PICKER, pod("a", ONE), pod("b", TWO))
    assert resources_of(planned(*items), {}) == resources_of(planned(*reversed(items)), {})


def test_health_is_unknown_until_asked_and_keeps_its_time() -> None:
    made = planned(gateway(), bare_route(), pool(), PICKER, pod("a", ONE))
    health = Health()
    every = list(made.backends.values())
    pooled = made.backends[POOL_ID]
    assert health.update(every, {}, "t0")
    assert health.state(pooled, ONE) == State(False, "t0")
    assert health.update(every, {(f"check_{POOL_ID}", ONE): True}, "t1")
    assert not health.update(every, {}, "t2")
    assert health.state(pooled, ONE) == State(True, "t1")
    [row] = report(made, health)["backends"]
    wanted = {"route": "ns/route", "namespace": "ns", "name": "pool", "pod": "a", "endpoint": "127.90.0.1:8000"}
    assert row == {**wanted, "kind": "InferencePool", "healthy": True, "since": "t1"}


def test_clients_should_use_https_where_it_is() -> None:
    def of(*listeners: Obj) -> Any:
        pair = (Certificate("chain", "key"),)
        made = plan(objects(gateway(*listeners)), gke_defaults(), lambda _, port: 20000 + port, lambda *_: pair)
        return report(made, Health())["gateway"]

    assert of()["url"] == "http://127.0.0.1:20080"
    assert of(listener(), https())["url"] == "https://127.0.0.1:20443"
    assert report(planned(), Health()) == {"gateway": None, "gateways": [], "backends": []}


def test_what_is_limited_by_nobodys_policy() -> None:
    made = resources_of(planned(gateway(), bare_route(), pool(), PICKER, pod("a", ONE)), {})
    cluster = made["clusters"][POOL_ID]
    assert cluster["connect_timeout"] == "5s"
    [limits] = cluster["circuit_breakers"]["thresholds"]
    assert min(limits.values()) >= 1_000_000
    manager = made["listeners"]["ns_gw_http"]["filter_chains"][0]["filters"][0]["typed_config"]
    assert manager["stream_idle_timeout"] == "0s"
    assert manager["http_filters"][0]["typed_config"]["message_timeout"] == "10s"


def test_draining_is_the_policys_scaled_and_a_picker_has_no_limit() -> None:
    of = backend_policy(connectionDraining={"drainingTimeoutSec": 50})
    scaled = dataclasses.replace(gke_defaults(), time_scale=0.1)
    made = plan(objects(gateway(), bare_route(), pool(), PICKER, of), scaled, lambda *_: 1, lambda *_: ())
    assert made.backends[POOL_ID].draining == 5
    assert made.backends["picker_ns_pool-epp"].draining == math.inf
    assert backend(pool(), PICKER).draining == 0


def test_of_several_backends_the_largest_time_limit_holds() -> None:
    both = rule(backendRefs=[SERVICE_REF, {"group": POOL_GROUP, "kind": "InferencePool", "name": "pool"}])
    policies = (backend_policy(timeoutSec=70), backend_policy("web", "Service", timeoutSec=50))
    made = planned(gateway(), bare_route(both), pool(), PICKER, service(), *policies)
    [host] = resources(made, "routes")["ns_gw_http"]["virtual_hosts"]
    assert host["routes"][0]["route"]["timeout"] == "70s"


def test_a_host_that_waits_for_its_first_check_has_no_verdict() -> None:
    def host(port: int, **status: bool) -> Obj:
        return {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}, "health_status": status}

    hosts = [
        host(1, failed_active_health_check=True, pending_active_hc=True),
        host(2, failed_active_health_check=True),
        host(3),
    ]
    found = verdicts({"cluster_statuses": [{"name": "c", "host_statuses": hosts}]})
    assert found == {("c", ("127.0.0.1", 2)): False, ("c", ("127.0.0.1", 3)): True}


@pytest.mark.parametrize("kind", ["TCP", "HTTP", "HTTPS", "HTTP2", "GRPC"])
def test_envoy_takes_every_kind_of_health_check_and_filter(kind: str, tmp_path: Path) -> None:
    blocks: dict[str, Obj] = {
        "TCP": {"tcpHealthCheck": {"request": "a", "response": "b"}},
        "GRPC": {"grpcHealthCheck": {"port": 9}},
    }
    block = blocks.get(kind, {f"{kind.lower()}HealthCheck": {"requestPath": "/x", "response": "ok"}})
    headers = {"set": [{"name": "a", "value": "b"}], "add": [{"name": "c", "value": "d"}], "remove": ["e"]}
    several = rule(
        matches=[{"path": {"type": "Exact", "value": "/w"}, "queryParams": [{"name": "q", "value": "1"}]}],
        filters=[
            {"type": "RequestHeaderModifier", "requestHeaderModifier": headers},
            {"type": "ResponseHeaderModifier", "responseHeaderModifier": headers},
            {"type": "URLRewrite", "urlRewrite": {"hostname": "a.b", "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/n"}}},
        ],
        backendRefs=[{**SERVICE_REF, "weight": 3}, {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": "pool"}],
    )  # fmt: skip
    path = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/n"}
    redirect = {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "hostname": "a.b", "path": path}}
    routes = bare_route(rule(), several, {"filters": [redirect]})
    secure = service("web", appProtocol="HTTP2")
    made = planned(gateway(), routes, pool(), PICKER, secure, health_policy(config={"type": kind, **block}))
    # `--mode validate` does not read what discovery brings: here it is part of the bootstrap.
    start = bootstrap("token", 1)
    del start["dynamic_resources"]
    parts: Any = copy.deepcopy(resources_of(made, {}))
    for item in (item for items in parts.values() for item in items.values()):
        del item["@type"]
    for front in parts["listeners"].values():
        manager = front["filter_chains"][0]["filters"][0]["typed_config"]
        del manager["rds"]
        manager["route_config"] = parts["routes"][front["name"]]
    start["static_resources"]["clusters"] += parts["clusters"].values()
    start["static_resources"]["listeners"] = [*parts["listeners"].values()]
    (tmp_path / "start.json").write_text(json.dumps(start))
    command = [str(envoy()), "--mode", "validate", "-c", str(tmp_path / "start.json"), "--disable-hot-restart"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
