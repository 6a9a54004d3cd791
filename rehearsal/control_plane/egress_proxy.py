"""The way from the API server to the Services of webhooks: `python -m rehearsal.control_plane.egress_proxy DIR`.

The API server asks for every webhook's address with HTTP CONNECT (its egress selector), so that a Service on port 443 is
reached although nobody may listen on that port.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import ssl
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import cluster as kube
from rehearsal.control_plane.names import EGRESS_PROXY
from rehearsal.control_plane.services import Address, endpoints
from rehearsal.directory import RehearsalDirectory

log = logging.getLogger(__name__)

# Seconds that a connection waits for a ready pod, or for an object that was made a moment ago.
_PATIENCE = 2.0
_PAUSE = 0.05
_CHUNK = 65536

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class UnreachableError(Exception):
    """Nothing answers at the address; the message says what was asked for."""


class Proxy:
    """A CONNECT proxy to the ready pods of Services, in turn. It connects to nothing else."""

    def __init__(self, services: kube.Store, pods: kube.Store) -> None:
        self._services, self._pods = services, pods
        self._turn = itertools.count()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        with contextlib.closing(writer), contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            try:
                outer = await self._open(head)
            except UnreachableError as error:
                log.info("%s", error)
                body = f"{error}\n".encode()
                writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
                return
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await relay((reader, writer), outer)

    async def _open(self, head: bytes) -> Streams:
        """Connect to what the request's first line, `CONNECT host:port HTTP/1.1`, asks for.

        Raises:
            UnreachableError: no such Service, no ready pod, or none answers.
        """
        words = head.split(b"\r\n", 1)[0].decode("latin-1").split()
        host, _, port = words[1].rpartition(":") if len(words) == 3 and words[0] == "CONNECT" else ("", "", "")
        if not port.isdigit():
            raise UnreachableError("only CONNECT host:port is served here")
        deadline = asyncio.get_running_loop().time() + _PATIENCE
        while True:
            said, addresses = self._find(host, int(port))
            for address in addresses:
                with contextlib.suppress(OSError):
                    return await asyncio.open_connection(*address)
            if asyncio.get_running_loop().time() > deadline:
                raise UnreachableError(said)
            await asyncio.sleep(_PAUSE)

    def _find(self, host: str, number: int) -> tuple[str, list[Address]]:
        """What is wrong where none answers, and the addresses to try in this order."""
        for service in self._services.all():
            for port in service["spec"].get("ports") or ():
                # Only the aggregator asks for an ExternalName, which here is this machine.
                if (service["spec"].get("externalName"), port["port"]) == (host, number):
                    return f"{host}:{number} does not answer", [("127.0.0.1", number)]
                if (service["spec"].get("clusterIP"), port["port"]) == (host, number):
                    found = endpoints(service, port, self._pods.all())
                    first = next(self._turn) % len(found) if found else 0
                    name = f"Service {service['metadata']['namespace']}/{service['metadata']['name']}:{number}"
                    return f"{name} has {len(found) or 'no'} ready pods, none answers", found[first:] + found[:first]
        return f"no Service has the address {host}:{number}", []


async def relay(inner: Streams, outer: Streams) -> None:
    """Carry bytes both ways until one side ends; then both are closed, for TLS can't be closed one way only."""
    ways = [asyncio.create_task(_carry(inner[0], outer[1])), asyncio.create_task(_carry(outer[0], inner[1]))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        outer[1].close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()


async def serve(directory: RehearsalDirectory) -> None:
    """Listen once the API server answers, which alone has a certificate of our authority and is let in."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(directory.certs / "ca.crt"))
    context.load_cert_chain(directory.certs / "tls.crt", directory.certs / "tls.key")
    context.verify_mode = ssl.CERT_REQUIRED
    stop = threading.Event()
    client = await asyncio.to_thread(kube.connect_when_up, directory.kubeconfig, stop)
    assert client is not None
    proxy = Proxy(kube.Store(client, "v1", "Service", stop=stop), kube.Store(client, "v1", "Pod", stop=stop))
    port = directory.load_record().ports[EGRESS_PROXY]
    server = await asyncio.start_server(proxy.answer, "127.0.0.1", port, ssl=context)
    await server.serve_forever()


def main(arguments: Sequence[str]) -> int:
    """Run the proxy of the directory named by the only argument."""
    (path,) = arguments
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(serve(RehearsalDirectory(Path(path))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
