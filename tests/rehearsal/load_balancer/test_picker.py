"""Pools without their endpoint picker; what it decides is seen in tests/rehearsal/end_to_end/test_prod.py."""

from __future__ import annotations

from typing import Any

import httpx

from tests.rehearsal.gke.objects import Obj, health_policy, pool, route
from tests.rehearsal.load_balancer.harness import LoadBalancer
from tests.rehearsal.load_balancer.objects import PICKER, gateway, pod
from tests.rehearsal.load_balancer.servers import Server, serving

LONG = "The beginning of a prompt that many requests have in common. " * 40


def base(*servers: Server, failure_mode: str = "FailClose") -> list[Obj]:
    pods = [pod(item.name, item.address) for item in servers]
    return [gateway(), route(), pool(failure_mode=failure_mode), PICKER, health_policy(), *pods]


def chat(lb: LoadBalancer, prompt: str, **options: Any) -> httpx.Response:
    body = {"model": "m", "messages": [{"role": "user", "content": prompt}]}
    return lb.get("/ns/m/v1/chat/completions", method="POST", json=body, **options)


def test_without_its_picker_a_pool_that_fails_open_is_served_by_turns(lb: LoadBalancer) -> None:
    with serving("one") as one, serving("two") as two:
        lb.serve(*base(one, two, failure_mode="FailOpen"))
        lb.until(lambda: lb.healthy("pool") == [True, True])
        lb.says("/ns/m/v1/models", 200, "one")
        lb.says("/ns/m/v1/models", 200, "two")
        assert {chat(lb, LONG).status_code for _ in range(4)} == {200}


def test_without_its_picker_a_pool_that_fails_closed_is_not_served(lb: LoadBalancer) -> None:
    with serving("one") as one:
        lb.serve(*base(one))
        lb.until(lambda: lb.healthy("pool") == [True])
        assert [chat(lb, LONG).status_code, lb.get("/ns/m/v1/models").status_code] == [500, 500]
        assert one.requests() == []


def test_an_endpoint_that_is_named_but_unhealthy_gets_nothing(lb: LoadBalancer) -> None:
    """Envoy's override_host would take it at its word."""
    with serving("one") as one, serving("two") as two:
        one.statuses["/health"] = 503
        lb.serve(*base(one, two, failure_mode="FailOpen"))
        lb.until(lambda: lb.healthy("pool") == [False, True])
        lb.says("/ns/m/v1/models", 200, "two")
        named = {"x-gateway-destination-endpoint": f"{one.address[0]}:{one.address[1]}"}
        assert {chat(lb, "x", headers=named).text for _ in range(4)} == {"two /v1/chat/completions"}
        one.statuses["/health"] = 200
        lb.until(lambda: chat(lb, "x", headers=named).text == "one /v1/chat/completions")
        assert {chat(lb, "x", headers=named).text for _ in range(4)} == {"one /v1/chat/completions"}
