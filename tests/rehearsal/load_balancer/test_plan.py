"""From objects to what Envoy is told, without Envoy."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from rehearsal.load_balancer.backends import Backend, Backends, HealthCheck
from rehearsal.load_balancer.balancer import Draining
from rehearsal.load_balancer.configuration import clusters
from rehearsal.load_balancer.plan import Plan, plan, resources
from tests.rehearsal.gke.objects import (
    Obj,
    cluster,
    health_policy,
    policy,
    route,
    rule,
)
from tests.rehearsal.load_balancer.objects import PICKER, gateway, pod, web, web_route

ONE = ("127.90.0.1", 8000)
POOL, EPP, WEB = "inferencepool_ns_pool_8000", "picker_ns_pool-epp", "service_ns_web_80"


def planned(*items: Obj, scale: float = 1.0) -> Plan:
    objects = cluster(gateway(), PICKER, web(), *items)
    return plan(objects, scale, lambda _, port: 20000 + port, lambda *_: ("chain", "key"))


def backend(*items: Obj, name: str = POOL, scale: float = 1.0) -> Backend:
    return planned(*items, scale=scale).backends[name]


def told(made: Plan) -> dict[str, dict[str, Any]]:
    return resources(made, {}, lambda _: False)


def test_a_health_check_is_the_policys_with_defaults_for_what_it_leaves_out() -> None:
    given: Obj = {"checkIntervalSec": 7, "timeoutSec": 3, "healthyThreshold": 4, "unhealthyThreshold": 5}
    check = {"portSpecification": "USE_FIXED_PORT", "port": 9000, "requestPath": "/live"}
    config = {"type": "HTTP", "httpHealthCheck": check}
    found = backend(pod("a", ONE, p9000="127.0.0.1:9"), health_policy(**given, config=config))
    assert found.endpoints[0].probe == ("127.0.0.1", 9)
    _, asked = clusters(found)
    [made] = asked["health_checks"]
    assert (made["interval"], made["timeout"], made["http_health_check"]["path"]) == ("7s", "3s", "/live")
    assert (made["healthy_threshold"], made["unhealthy_threshold"]) == (4, 5)
    del check["requestPath"]
    assert backend(policy("HealthCheckPolicy", config=config)).check == HealthCheck("/", 9000, 5, 5, 2, 2)


def test_without_a_policy_the_root_of_the_serving_port_is_asked() -> None:
    found = backend(pod("a", ONE))
    assert (found.check, found.endpoints[0].probe) == (HealthCheck("/", None, 15, 15, 1, 2), ONE)


def test_the_picker_is_asked_by_grpc_on_9003_and_no_limit_is_put_on_it() -> None:
    found = backend(pod("p", ("127.90.0.9", 1), "picker", p9002="127.0.0.1:1", p9003="127.0.0.1:2"), name=EPP)
    assert [(item.address, item.probe) for item in found.endpoints] == [(("127.0.0.1", 1), ("127.0.0.1", 2))]
    assert (found.time_limit, found.draining) == (math.inf, math.inf)
    traffic, asked = clusters(found)
    assert "grpc_health_check" in asked["health_checks"][0]
    assert ("transport_socket" in traffic, "transport_socket" in asked) == (True, False)


def test_limits_are_the_policys_or_gkes_own_scaled() -> None:
    assert (backend().time_limit, backend().draining) == (30, 0)
    of = policy("GCPBackendPolicy", timeoutSec=3600, connectionDraining={"drainingTimeoutSec": 50})
    found = backend(of, web_route(name="web"), scale=0.1)
    assert (found.time_limit, found.draining) == (360, 5)
    assert backend(of, web_route(name="web"), name=WEB).time_limit == 30
    [host] = told(planned(of))["routes"]["ns_gw_http"]["virtual_hosts"]
    assert host["routes"][0]["route"]["timeout"] == "3600s"


def test_the_longer_prefix_comes_first_and_an_abort_last() -> None:
    made = planned(route(*(rule(prefix) for prefix in ("/", "/a", "/a/b/"))))
    [host] = told(made)["routes"]["ns_gw_http"]["virtual_hosts"]
    assert [next(iter(item["match"].values())) for item in host["routes"]] == ["/a/b", "/a", "/", "/"]
    assert "envoy.filters.http.fault" in host["routes"][-1]["typed_per_filter_config"]
    assert (host["domains"], set(made.backends)) == (["*"], {POOL, EPP})


def test_what_is_limited_by_nobodys_policy() -> None:
    made = told(planned(pod("a", ONE)))
    traffic = made["clusters"][POOL]
    [limits] = traffic["circuit_breakers"]["thresholds"]
    assert (traffic["connect_timeout"], min(limits.values()) >= 1_000_000) == ("5s", True)
    manager = made["listeners"]["ns_gw_http"]["filter_chains"][0]["filters"][0]["typed_config"]
    assert manager["stream_idle_timeout"] == "0s"
    [picker] = [item for item in manager["http_filters"] if item["name"].endswith("ext_proc")]
    assert picker["typed_config"]["message_timeout"] == "10s"


def test_an_endpoint_drains_for_the_longest_of_its_times_and_not_where_it_came_back() -> None:
    made = Backends(cluster(PICKER, web(), pod("a", ONE)), 1.0)
    short = replace(made.of("InferencePool", ("ns", "pool"), None), draining=1)
    draining = Draining()
    draining.update([replace(short, draining=5), short], now=0)
    draining.update([], now=10)
    assert (draining.over(14.9), draining.over(15), draining.over(20)) == (set(), {ONE}, set())
    draining.update([short], now=20)
    draining.update([], now=21)
    draining.update([short], now=21.5)
    assert draining.over(30) == set()
