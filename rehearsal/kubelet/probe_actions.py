"""What probes do: HTTP GET, TCP connection, gRPC health check. A command is run by the container itself."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urljoin, urlsplit

from rehearsal.kubelet.ports import PortMap
from rehearsal.kubelet.probes import Action, Result, Timing

Json = dict[str, Any]

_REDIRECTS = 10
_SERVING = 1


class ProbeTarget:
    """Where the probes of one container go."""

    def __init__(self, container: Json, ports: PortMap, run: Callable[[list[str]], Action]) -> None:
        self._named = {port["name"]: port["containerPort"] for port in container.get("ports") or [] if port.get("name")}
        self._ports = ports
        self._run = run

    def action(self, probe: Json) -> Action:
        """The action of a probe. Raises ValueError for a probe without a known one."""
        if http := probe.get("httpGet"):
            return lambda _timing: self.http(http)
        if tcp := probe.get("tcpSocket"):
            return lambda _timing: self._tcp(tcp)
        if grpc := probe.get("grpc"):
            return lambda timing: self._grpc(grpc, timing)
        if command := probe.get("exec"):
            return self._run(list(command.get("command") or []))
        raise ValueError(f"a probe needs httpGet, tcpSocket, grpc or exec, not {sorted(probe)}")

    def _address(self, how: Json) -> tuple[str, int]:
        port = how["port"]
        if isinstance(port, str) and not port.isdigit():
            if port not in self._named:
                raise ValueError(f"couldn't find port {port!r} among the container's ports")
            port = self._named[port]
        return self._ports.address(int(port), how.get("host"))

    async def _tcp(self, how: Json) -> Result:
        try:
            async with _connection(*self._address(how), None):
                return Result(True)
        except OSError as error:
            return Result(False, f"dial tcp: {_words(error)}")

    async def http(self, how: Json) -> Result:
        """HTTP GET; an answer from 200 to 399 is a success. Redirects are followed on the same host only.

        Source: kubernetes pkg/probe/http/http.go: certificates are not verified; a redirect to another host is a
        success with a warning.
        """
        host, port = self._address(how)
        scheme = (how.get("scheme") or "HTTP").lower()
        context = _unverified() if scheme == "https" else None
        path = how.get("path") or "/"
        for _ in range(_REDIRECTS):
            try:
                status, location = await _get(host, port, context, path, how.get("httpHeaders") or [])
            except (OSError, ValueError) as error:
                return Result(False, f"Get {scheme}://{host}:{port}{path}: {_words(error)}")
            if not (300 <= status < 400 and location):
                return Result(200 <= status < 400, f"HTTP probe failed with statuscode: {status}")
            target = urlsplit(urljoin(f"{scheme}://{host}:{port}{path}", location))
            if (target.hostname, target.port or (443 if target.scheme == "https" else 80)) != (host, port):
                return Result(True)
            path = target.path + (f"?{target.query}" if target.query else "")
        return Result(False, f"stopped after {_REDIRECTS} redirects")

    async def _grpc(self, how: Json, timing: Timing) -> Result:
        import grpc.aio

        host, port = self._address(how)
        service = (how.get("service") or "").encode()
        # HealthCheckRequest has one string, HealthCheckResponse one enum: not worth a generated module.
        request = b"\x0a" + _varint(len(service)) + service if service else b""
        async with grpc.aio.insecure_channel(f"{host}:{port}") as channel:
            check: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
            try:
                answer: bytes = await check(request, timeout=timing.timeout)
            except grpc.aio.AioRpcError as error:
                return Result(False, f"gRPC health check: {error.code().name}")
        status = answer[1] if answer[:1] == b"\x08" and len(answer) > 1 else 0
        return Result(status == _SERVING, f"service unhealthy (responded with status {status})")


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _words(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"  # the loop's own words do not say so
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


@contextlib.asynccontextmanager
async def _connection(
    host: str, port: int, context: ssl.SSLContext | None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _get(
    host: str, port: int, context: ssl.SSLContext | None, path: str, headers: list[Json]
) -> tuple[int, str | None]:
    """Status and location of one GET. Raises ValueError where the answer is not HTTP."""
    given = {header["name"].lower(): header["value"] for header in headers}
    defaults = {"host": f"{host}:{port}", "user-agent": "kube-probe/1.36", "accept": "*/*"}
    lines = [f"GET {path} HTTP/1.1", *(f"{k}: {v}" for k, v in (defaults | given).items()), "connection: close"]
    async with _connection(host, port, context) as (reader, writer):
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        await writer.drain()
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            head = error.partial
        except asyncio.LimitOverrunError as error:
            raise ValueError("the answer's headers are too long") from error
    first, *rest = head.decode("latin-1").split("\r\n")
    words = first.split()
    if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdigit():
        raise ValueError("malformed HTTP response")
    location = next((line.split(":", 1)[1].strip() for line in rest if line.lower().startswith("location:")), None)
    return int(words[1]), location
