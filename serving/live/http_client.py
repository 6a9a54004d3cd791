"""Requests with a limit on the whole exchange: no answer, however slow or endless, takes longer than that."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import httpx

from serving.live.request_errors import RequestError, document, of_error, of_status

Result = TypeVar("Result")

_CONNECT_SECONDS = 10.0
_REDIRECTS = 5
_LARGEST_BODY = 4 * 1024 * 1024
_REDIRECT_CODES = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Request:
    """One request. `body` is sent as JSON."""

    method: str
    url: str
    body: dict[str, Any] | None = None


class HttpClient:
    """Sends requests; each has `seconds` from beginning to end.

    `host` is the name that they ask for and that the certificate must have, where it is not that of the URL; `certificate`
    is our own (PEM, with its key).
    """

    def __init__(
        self,
        seconds: float,
        ca_file: Path | None,
        token: str | None,
        host: str | None = None,
        certificate: Path | None = None,
    ) -> None:
        self.seconds = seconds
        self._certificate = certificate
        self._host = host
        self._ca_file = ca_file
        self._token = token

    def ask(self, request: Request) -> dict[str, Any]:
        """The JSON object that a request is answered with.

        Raises:
            RequestError: anything else.
        """

        async def read(response: httpx.Response) -> dict[str, Any]:
            return document(response.headers, await body_of(response))

        return self.run(request, read)

    def text(self, request: Request) -> str:
        """The text that a request is answered with.

        Raises:
            RequestError: no success.
        """
        return self.run(request, body_of)

    def status(self, request: Request, *, anonymous: bool = False) -> int:
        """The status of the answer, whatever it is; `anonymous` leaves token and certificate out.

        Raises:
            RequestError: no answer.
        """

        async def read() -> int:
            async with self._client(request.url, anonymous=anonymous) as client, _sent(client, request) as response:
                return response.status_code

        return self._limited(read, request.url)

    def certificate_end(self, request: Request) -> datetime | None:
        """When the certificate expires with which a request is answered, whatever the answer; None without TLS.

        Raises:
            RequestError: no answer.
        """

        async def read() -> datetime | None:
            async with self._client(request.url) as client, _sent(client, request) as response:
                held: ssl.SSLObject | None = response.extensions["network_stream"].get_extra_info("ssl_object")
                shown = held.getpeercert() if held else None
                return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC) if shown else None

        return self._limited(read, request.url)

    def run(self, request: Request, read: Callable[[httpx.Response], Awaitable[Result]]) -> Result:
        """What `read` makes of a successful answer.

        Raises:
            RequestError: no success, or no end in time.
        """

        async def exchange() -> Result:
            async with self._client(request.url) as client, _followed(client, request) as response:
                if response.status_code != 200:
                    text = await body_of(response)
                    raise of_status(response.status_code, response.headers, text) or RequestError("error-status", text)
                return await read(response)

        return self._limited(exchange, request.url)

    def _limited(self, exchange: Callable[[], Awaitable[Result]], url: str) -> Result:
        async def within() -> Result:
            async with asyncio.timeout(self.seconds):
                return await exchange()

        started = time.monotonic()
        try:
            return asyncio.run(within())
        except RequestError:
            raise
        except TimeoutError:
            raise RequestError("no-answer-in-time", f"no whole answer within {self.seconds:g} s: {url}") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            found = of_error(error)
            seconds = time.monotonic() - started
            raise RequestError(found.failure, f"{url}: {found.message} (after {seconds:.1f} s)") from error

    def _client(self, url: str, *, anonymous: bool = False) -> httpx.AsyncClient:
        context: ssl.SSLContext | bool = True
        shown = None if anonymous else self._certificate
        if self._ca_file is not None or shown is not None:
            context = ssl.create_default_context()
            if self._ca_file is not None:
                context.load_verify_locations(self._ca_file)
            if shown is not None:
                context.load_cert_chain(shown)
        headers = {"Authorization": f"Bearer {self._token}"} if self._token and not anonymous else {}
        headers |= {"Host": self._host} if self._host else {}
        limits = httpx.Timeout(self.seconds, connect=min(_CONNECT_SECONDS, self.seconds))
        # A proxy of the environment can't reach this machine's own loopback.
        return httpx.AsyncClient(verify=context, headers=headers, timeout=limits, trust_env=not _loopback(url))


@asynccontextmanager
async def _sent(client: httpx.AsyncClient, request: Request) -> AsyncIterator[httpx.Response]:
    # Bodies are read as they come: compressed ones could not be limited.
    headers = {"Accept-Encoding": "identity"}
    name = {"sni_hostname": client.headers["Host"]} if "Host" in client.headers else {}
    async with client.stream(
        request.method, request.url, json=request.body, headers=headers, extensions=name
    ) as response:
        yield response


@asynccontextmanager
async def _followed(client: httpx.AsyncClient, request: Request) -> AsyncIterator[httpx.Response]:
    """The answer behind redirects on the same host; a token is not carried to another one."""
    visited = [request.url]
    while True:
        async with _sent(client, Request(request.method, visited[-1], request.body)) as response:
            place = response.headers.get("location")
            if response.status_code not in _REDIRECT_CODES or not place:
                yield response
                return
            following = urljoin(visited[-1], place)
            old, new = urlsplit(visited[-1]), urlsplit(following)
            if new.hostname != old.hostname or (old.scheme, new.scheme) == ("https", "http"):
                yield response
                return
        if following in visited or len(visited) > _REDIRECTS:
            raise RequestError("redirect-loop", " -> ".join([*visited[:3], "..."] if len(visited) > 3 else visited))
        visited.append(following)


async def body_of(response: httpx.Response) -> str:
    """The body as text.

    Raises:
        RequestError: it is longer than any right answer.
    """
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_raw():
        parts.append(part)
        size += len(part)
        if size > _LARGEST_BODY:
            raise RequestError("answer-too-large", f"more than {_LARGEST_BODY} bytes from {response.url}")
    return b"".join(parts).decode("utf-8", "replace")


def _loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
