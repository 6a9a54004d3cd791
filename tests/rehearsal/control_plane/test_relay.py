"""Carrying connections: the right pod in turn, patience with late ones, half-closed connections, loopback only."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from rehearsal.control_plane.relay import Dialer, Forwarder, Streams, UnreachableError, relay
from rehearsal.control_plane.routes import Address, Routes, ServicePort

SERVICE = "127.64.200.1"


def run(test: Coroutine[Any, Any, None]) -> None:
    async def within_a_minute() -> None:
        async with asyncio.timeout(60):
            await test

    asyncio.run(within_a_minute())


async def server(text: str) -> tuple[asyncio.Server, Address]:
    """Answers with `text` and everything it was sent, once the client has said that no more comes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text.encode() + await reader.read())
        await writer.drain()
        writer.close()

    started = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = started.sockets[0].getsockname()
    return started, (host, port)


def routes(*backends: Address, port: int = 443) -> Routes:
    entry = ServicePort("ns", "svc", port, SERVICE, backends)
    return Routes({(SERVICE, port): entry}, {("ns", "svc", port): entry})


async def ask(streams: Streams, text: str = "") -> str:
    reader, writer = streams
    writer.write(text.encode())
    writer.write_eof()
    answer = (await reader.read()).decode()
    writer.close()
    return answer


def test_ready_pods_take_turns_and_a_dead_one_is_passed_over() -> None:
    async def test() -> None:
        (one, first), (two, second) = await server("one"), await server("two")
        dialer = Dialer()
        await dialer.update(routes(first, second))
        assert [await ask(await dialer.dial("svc.ns.svc", 443)) for _ in range(4)] == ["one", "two", "one", "two"]
        two.close()
        assert [await ask(await dialer.dial(SERVICE, 443)) for _ in range(3)] == ["one"] * 3
        one.close()

    run(test())


def test_a_connection_waits_for_a_pod_that_becomes_ready_a_moment_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rehearsal.control_plane.relay._PATIENCE", 50.0)

    async def test() -> None:
        dialer = Dialer()
        waiting = asyncio.create_task(dialer.dial("svc.ns.svc", 443))
        await asyncio.sleep(0)
        started, address = await server("late")
        await dialer.update(routes(address))
        assert await ask(await waiting) == "late"
        started.close()

    run(test())


@pytest.mark.parametrize(
    ("host", "message"),
    [
        (SERVICE, "ns/svc:443 has no ready pod"),
        ("other.ns.svc", "no Service other.ns.svc with port 443"),
        ("8.8.8.8", "8.8.8.8:443 is beyond loopback"),
        ("example.com", "example.com:443 is beyond loopback"),
        ("127.255.255.1", "nobody listens on 127.255.255.1:443"),
    ],
)
def test_what_can_not_be_reached_is_said(host: str, message: str) -> None:
    async def test() -> None:
        dialer = Dialer()
        await dialer.update(routes())
        with pytest.raises(UnreachableError, match=message):
            await dialer.dial(host, 443)

    run(test())


def test_bytes_pass_both_ways_and_half_closed_connections_stay_usable() -> None:
    async def test() -> None:
        started, address = await server("echo:")
        text = "x" * 3_000_000

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await relay((reader, writer), await asyncio.open_connection(*address))

        between = await asyncio.start_server(serve, "127.0.0.1", 0)
        host, port = between.sockets[0].getsockname()
        assert await ask(await asyncio.open_connection(host, port), text) == f"echo:{text}"
        between.close()
        started.close()

    run(test())


def test_the_forwarder_listens_on_what_the_routes_have_and_nothing_else() -> None:
    async def test() -> None:
        started, address = await server("pod")
        refused: list[ServicePort] = []
        dialer = Dialer()
        forwarder = Forwarder(dialer, lambda entry, _: refused.append(entry))
        taken = await asyncio.start_server(lambda _r, _w: None, SERVICE, 0)
        port = taken.sockets[0].getsockname()[1]
        current = routes(address, port=port)
        await dialer.update(current)
        for _ in range(2):  # told once, tried each time
            await forwarder.update(current)
        assert [entry.port for entry in refused] == [port]
        taken.close()
        await taken.wait_closed()
        await forwarder.update(current)
        assert await ask(await asyncio.open_connection(SERVICE, port)) == "pod"
        await forwarder.update(Routes())
        with pytest.raises(OSError, match="Connect call failed"):
            await asyncio.open_connection(SERVICE, port)
        started.close()

    run(test())
