"""The way from the API server to webhooks and pods, and from everybody to Services: `python -m
rehearsal.control_plane.proxy DIR`.

The API server asks for every webhook address with HTTP CONNECT (its egress selector), so a Service on port 443 is
reached although nobody may listen on that port. The forwarder plays kube-proxy for the ports that may be bound.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import ssl
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from rehearsal.control_plane import routes
from rehearsal.control_plane.relay import Dialer, Forwarder, Streams, UnreachableError, relay
from rehearsal.directory import RehearsalDirectory

log = logging.getLogger(__name__)

_HEAD_LIMIT = 8192
# Changes within this time are taken together, seconds; without a change everything is looked at again after the other.
_TOGETHER = 0.02
_AGAIN = 5.0


async def answer_connect(dialer: Dialer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection of the CONNECT proxy."""
    try:
        async with asyncio.timeout(30):
            head = await reader.readuntil(b"\r\n\r\n")
        outer = await _open(dialer, head)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, OSError):
        writer.close()
        return
    except (UnreachableError, ValueError) as error:
        status = "502 Bad Gateway" if isinstance(error, UnreachableError) else "400 Bad Request"
        log.info("%s", error)
        body = f"{error}\n".encode()
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        writer.close()
        return
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await relay((reader, writer), outer)


async def _open(dialer: Dialer, head: bytes) -> Streams:
    """Dial what the request's first line asks for.

    Raises:
        ValueError: not a CONNECT request.
        UnreachableError: see `Dialer.dial`.
    """
    words = head.split(b"\r\n", 1)[0].decode("latin-1").split()
    if len(words) != 3 or words[0] != "CONNECT":
        raise ValueError("only CONNECT host:port is served here")
    host, _, port = words[1].rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f"{words[1]!r} is not host:port")
    return await dialer.dial(host, int(port))


def server_context(directory: RehearsalDirectory) -> ssl.SSLContext:
    """TLS that lets in the API server only."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(directory.certs / "ca.crt"))
    context.load_cert_chain(directory.certs / "server.crt", directory.certs / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


async def serve(directory: RehearsalDirectory) -> None:
    """Listen at once; learn of Services and Pods when the API server answers; end on SIGTERM."""
    record = directory.load_record()
    loop = asyncio.get_running_loop()
    dialer = Dialer()
    forwarder = Forwarder(dialer, _report_refused)
    stop, ended, changed = threading.Event(), asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer_connect(dialer, reader, writer)

    port, tls = record.ports["egress-proxy"], server_context(directory)
    server = await asyncio.start_server(connect, "127.0.0.1", port, limit=_HEAD_LIMIT, ssl=tls)
    api_server = ("127.0.0.1", record.ports["kube-apiserver"])
    follow = asyncio.create_task(_follow(directory, api_server, dialer, forwarder, stop, changed))
    await asyncio.wait([follow, asyncio.create_task(ended.wait())], return_when=asyncio.FIRST_COMPLETED)
    server.close()
    stop.set()
    if follow.done():
        follow.result()


async def _follow(
    directory: RehearsalDirectory,
    api_server: routes.Address,
    dialer: Dialer,
    forwarder: Forwarder,
    stop: threading.Event,
    changed: asyncio.Event,
) -> None:
    """Keep the routes up to date."""
    # Only here: the package takes longer to load than the proxy to start.
    from cluster import Store, connect_when_up

    loop = asyncio.get_running_loop()
    client = await asyncio.to_thread(connect_when_up, directory.kubeconfig, stop)
    assert client is not None

    def tell() -> None:
        loop.call_soon_threadsafe(changed.set)

    services = Store(client, "v1", "Service", stop=stop, on_change=tell)
    pods = Store(client, "v1", "Pod", stop=stop, on_change=tell)
    while True:
        current = routes.build(services.all(), pods.all(), api_server)
        await dialer.update(current)
        await forwarder.update(current)
        try:
            async with asyncio.timeout(_AGAIN):
                await changed.wait()
        except TimeoutError:
            continue
        await asyncio.sleep(_TOGETHER)
        changed.clear()


def _report_refused(entry: routes.ServicePort, error: OSError) -> None:
    if error.errno in (errno.EACCES, errno.EPERM):
        log.info("%s: only through the egress proxy, port %d needs root", entry.name, entry.port)
    else:
        log.warning("%s: can't listen on %s:%d: %s", entry.name, entry.cluster_ip, entry.port, error.strerror)


def main(arguments: Sequence[str]) -> int:
    """Run the proxy of the directory named by the only argument."""
    (path,) = arguments
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(serve(RehearsalDirectory(Path(path))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
