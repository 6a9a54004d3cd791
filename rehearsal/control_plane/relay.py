"""Carrying the bytes of TCP connections, and choosing the pod that takes one."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
from collections.abc import Callable

from rehearsal.control_plane.routes import Address, Routes, ServicePort, service_name

log = logging.getLogger(__name__)

# Seconds that a connection waits for a ready pod or for an object that was made a moment ago.
_PATIENCE = 2.0
_CHUNK = 65536

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class UnreachableError(Exception):
    """Nothing answers at the address; the message says what was asked for."""


class Dialer:
    """Opens connections to Services (round robin over their ready pods), pods and other loopback addresses."""

    def __init__(self) -> None:
        self._routes = Routes()
        self._changed = asyncio.Condition()
        self._turns: dict[str, int] = {}

    async def update(self, routes: Routes) -> None:
        """Use these routes from now on."""
        async with self._changed:
            self._routes = routes
            self._changed.notify_all()

    async def dial(self, host: str, port: int) -> Streams:
        """A connection to what `host:port` means inside the cluster.

        Raises:
            UnreachableError: no such Service, no ready pod, nobody listens, or an address beyond loopback.
        """
        deadline = asyncio.get_running_loop().time() + _PATIENCE
        while True:
            streams = await self._try(host, port)
            if streams is not None:
                return streams
            remaining = deadline - asyncio.get_running_loop().time()
            if remaining <= 0:
                raise UnreachableError(self._why_not(host, port))
            async with self._changed:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(remaining, 0.25)):
                        await self._changed.wait()

    async def _try(self, host: str, port: int) -> Streams | None:
        for address in self._candidates(host, port):
            with contextlib.suppress(OSError):
                return await asyncio.open_connection(*address)
        return None

    def _candidates(self, host: str, port: int) -> tuple[Address, ...]:
        entry = self._routes.find(host, port)
        if entry is not None:
            turn = self._turns[entry.name] = self._turns.get(entry.name, -1) + 1
            first = turn % len(entry.backends) if entry.backends else 0
            return entry.backends[first:] + entry.backends[:first]
        pod = self._routes.pod(host, port)
        if pod is not None:
            return (pod,)
        return ((host, port),) if _is_loopback(host) else ()

    def _why_not(self, host: str, port: int) -> str:
        entry = self._routes.find(host, port)
        if entry is not None:
            count = len(entry.backends)
            return f"Service {entry.name} has " + (f"{count} ready pods, none answers" if count else "no ready pod")
        if service_name(host):
            return f"no Service {host} with port {port}"
        return f"nobody listens on {host}:{port}" if _is_loopback(host) else f"{host}:{port} is beyond loopback"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def relay(inner: Streams, outer: Streams) -> None:
    """Carry bytes both ways until both sides have ended."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_carry(inner[0], outer[1]))
            group.create_task(_carry(outer[0], inner[1]))
    finally:
        for _, writer in (inner, outer):
            writer.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        # The other direction may go on: tell the far side only that no more comes. TLS can't say that.
        if writer.can_write_eof():
            writer.write_eof()
        else:
            writer.close()
        return
    # Broken: neither side has anything to wait for.
    writer.transport.abort()


class Forwarder:
    """Listens on the cluster address of every Service port, as far as this user may, and relays to the ready pods.

    A port below net.ipv4.ip_unprivileged_port_start needs root: those Services are reached through the egress proxy
    only.
    """

    def __init__(self, dialer: Dialer, on_refused: Callable[[ServicePort, OSError], None]) -> None:
        self._dialer = dialer
        self._on_refused = on_refused
        self._servers: dict[Address, asyncio.Server] = {}
        self._refused: set[Address] = set()

    async def update(self, routes: Routes) -> None:
        """Listen on what these routes have and nothing else."""
        wanted = routes.by_address
        for address in set(self._servers) - set(wanted):
            self._servers.pop(address).close()
        self._refused &= set(wanted)
        for address, entry in wanted.items():
            if address not in self._servers:
                await self._listen(address, entry)

    async def _listen(self, address: Address, entry: ServicePort) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                outer = await self._dialer.dial(*address)
            except UnreachableError as error:
                log.info("%s", error)
                writer.transport.abort()
                return
            await relay((reader, writer), outer)

        try:
            self._servers[address] = await asyncio.start_server(serve, *address)
        except OSError as error:
            if address not in self._refused:
                self._refused.add(address)
                self._on_refused(entry, error)
