"""Which pods stand behind a Service, and a proxy that connects to nothing else."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

import cluster as kube
from cluster.pods import PORTS_ANNOTATION
from rehearsal.control_plane import egress_proxy
from rehearsal.control_plane.egress_proxy import Proxy
from rehearsal.control_plane.services import endpoints
from tests.rehearsal.gke.objects import service
from tests.rehearsal.load_balancer import objects

Json = dict[str, Any]
IP = "127.65.0.1"


def pod(name: str, ip: str = IP, **more: Any) -> Json:
    """A pod whose port 8000 has the name `http`."""
    return objects.pod(name, (ip, 8000), **more)


def changed(made: Json, **metadata: Any) -> Json:
    made["metadata"] |= metadata
    return made


def reached(pods: list[Json], target: int | str = 9443) -> list[tuple[str, int]]:
    asked = service("svc", 443, "pool", target)
    return endpoints(asked, asked["spec"]["ports"][0], pods)


def test_only_ready_pods_of_the_namespace_with_every_label_that_are_not_going_in_the_order_of_their_names() -> None:
    others = [
        changed(pod("other-namespace"), namespace="x"),
        pod("other-label", app="b"),
        changed(pod("no-label"), labels=None),
        changed(pod("going"), deletionTimestamp="2026-01-01T00:00:00Z"),
        pod("not-ready", ready=False),
        {**pod("no-address"), "status": {"phase": "Pending"}},
    ]
    assert reached([*others, pod("b", "127.65.0.2"), pod("a")]) == [(IP, 9443), ("127.65.0.2", 9443)]
    without = service("svc", 443)
    del without["spec"]["selector"]
    assert endpoints(without, without["spec"]["ports"][0], [pod("a")]) == []


def test_a_named_target_port_is_looked_up_in_each_pod_and_an_annotation_moves_a_port() -> None:
    nameless = pod("c", "127.65.0.3")
    nameless["spec"] = {"containers": [{"name": "c"}]}
    assert reached([pod("a"), nameless], "http") == [(IP, 8000)]
    assert reached([pod("a", p9443="127.0.0.1:41234")]) == [("127.0.0.1", 41234)]


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"9443": 5}', '{"9443": "nothing"}', "null"])
def test_an_annotation_that_says_no_address_moves_no_port(text: str) -> None:
    assert reached([changed(pod("a"), annotations={PORTS_ANNOTATION: text})]) == [(IP, 9443)]


SERVICE = service("svc", 443, "pool", 9443)


class Objects:
    """In place of a store of the API server's objects."""

    def __init__(self, *objects: Json) -> None:
        self.objects = list(objects)

    def all(self) -> list[Json]:
        return self.objects


async def server(name: str) -> tuple[asyncio.Server, Json]:
    """Answers with its name and the line it was sent; and a pod whose port 9443 is this server."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{name}:".encode() + await reader.readline())
        await writer.drain()
        writer.close()

    started = await asyncio.start_server(answer, "127.0.0.1", 0, limit=10_000_000)
    host, port = started.sockets[0].getsockname()
    return started, pod(name, p9443=f"{host}:{port}")


async def ask(proxy: Proxy, target: str, text: str = "x") -> str:
    """What comes back through the proxy after `CONNECT target`."""
    between = await asyncio.start_server(proxy.answer, "127.0.0.1", 0)
    async with between:
        reader, writer = await asyncio.open_connection(*between.sockets[0].getsockname())
        writer.write(f"CONNECT {target} HTTP/1.1\r\n\r\n{text}\n".encode())
        answer = (await reader.read()).decode()
        writer.close()
        return answer


def proxy_of(services: Objects, pods: Objects) -> Proxy:
    return Proxy(cast(kube.Store, services), cast(kube.Store, pods))


def test_ready_pods_take_turns_and_a_dead_one_is_passed_over() -> None:
    async def test() -> None:
        (one, first), (two, second) = await server("one"), await server("two")
        proxy = proxy_of(Objects(SERVICE), Objects(first, second))
        long = "x" * 3_000_000
        said = [
            (await ask(proxy, "127.64.0.9:443", long)).removeprefix("HTTP/1.1 200 Connection established\r\n\r\n")
            for _ in range(2)
        ]
        assert said == [f"one:{long}\n", f"two:{long}\n"]
        two.close()
        assert [(await ask(proxy, "127.64.0.9:443"))[-6:] for _ in range(3)] == ["one:x\n"] * 3
        one.close()

    asyncio.run(test())


def test_a_connection_waits_for_a_pod_that_becomes_ready_a_moment_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress_proxy, "_PATIENCE", 50.0)

    async def test() -> None:
        pods = Objects()
        waiting = asyncio.create_task(ask(proxy_of(Objects(SERVICE), pods), "127.64.0.9:443"))
        await asyncio.sleep(0)
        started, late = await server("late")
        pods.objects.append(late)
        assert (await waiting).endswith("late:x\n")
        started.close()

    asyncio.run(test())


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("127.64.0.9:443", "Service ns/svc:443 has no ready pods, none answers"),
        ("127.64.0.9:80", "no Service has the address 127.64.0.9:80"),
        ("127.0.0.1:22", "no Service has the address 127.0.0.1:22"),
        ("8.8.8.8:443", "no Service has the address 8.8.8.8:443"),
        ("8.8.8.8", "only CONNECT host:port is served here"),
    ],
)
def test_what_can_not_be_reached_is_said(target: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress_proxy, "_PATIENCE", 0.0)

    async def test() -> None:
        said = await ask(proxy_of(Objects(SERVICE), Objects()), target)
        assert said.startswith("HTTP/1.1 502 ")
        assert said.endswith(f"\r\n\r\n{message}\n")

    asyncio.run(test())
