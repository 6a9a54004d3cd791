"""A streamed answer (server-sent events): read to its end, or to the point where it went wrong."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from serving.live.http_client import HttpClient, Request, body_of
from serving.live.request_errors import RequestError, document, raise_error_inside, shown

_DONE = "[DONE]"
# Events per asked token before a stream is called endless; a token may come in several events.
_EVENTS_PER_TOKEN = 4
_SPARE_EVENTS = 100
_LONGEST_LINE = 1024 * 1024


@dataclass
class Streamed:
    """What came, and when: `first_seconds` until the first text, `seconds` until the end.

    `ended`: up to the end; else it was left while it still came.
    """

    text: str = ""
    usage: dict[str, Any] = field(default_factory=dict)
    models: set[str] = field(default_factory=set)
    finish_reason: str = ""
    events: int = 0
    first_seconds: float = 0.0
    seconds: float = 0.0
    ended: bool = False


def stream(client: HttpClient, request: Request, most_tokens: int, enough_seconds: float = math.inf) -> Streamed:
    """Read a streamed chat answer of at most `most_tokens` tokens, to its end or as long as is enough.

    Raises:
        RequestError: it stalls, is cut, never ends, or holds something else than it should.
    """

    # A little before the limit of the whole exchange, so that the failure is named after what was seen.
    deadline = time.monotonic() + 0.9 * client.seconds

    async def read(response: httpx.Response) -> Streamed:
        if "text/event-stream" not in response.headers.get("content-type", ""):
            data = document(response.headers, await body_of(response))
            raise RequestError("not-streamed", shown(json.dumps(data)))
        return await _read(response, client.seconds, deadline, most_tokens, enough_seconds)

    return client.run(request, read)


async def _read(
    response: httpx.Response, seconds: float, deadline: float, most_tokens: int, enough_seconds: float
) -> Streamed:
    found, started = Streamed(), time.monotonic()
    lines = _data(response)
    while True:
        left = deadline - time.monotonic()
        patience = min(seconds / 3, left)
        try:
            async with asyncio.timeout(max(patience, 0.01)):
                line = await anext(lines)
        except TimeoutError:
            raise _too_long(found, seconds, ending=patience >= left) from None
        except (StopAsyncIteration, httpx.HTTPError) as error:
            how = "the connection ended" if isinstance(error, StopAsyncIteration) else type(error).__name__
            after = f"after {found.events} events and {time.monotonic() - started:.1f} s"
            text = f"{how} {after}, without {_DONE}; so far: {shown(found.text)!r}"
            raise RequestError("stream-cut", text) from error
        found.seconds, found.ended = time.monotonic() - started, line == _DONE
        if found.ended:
            return found
        _take(found, line, started)
        if found.seconds >= enough_seconds:
            return found
        if found.events > _EVENTS_PER_TOKEN * most_tokens + _SPARE_EVENTS:
            text = f"{found.events} events and no end, for an answer of at most {most_tokens} tokens"
            raise RequestError("stream-never-ends", text)


def _too_long(found: Streamed, seconds: float, *, ending: bool) -> RequestError:
    if ending and found.events:
        return RequestError("stream-never-ends", f"{found.events} events in {seconds:g} s and no {_DONE}")
    return RequestError("stream-stalls", f"after {found.events} events nothing came any more, within {seconds:g} s")


async def _data(response: httpx.Response) -> AsyncIterator[str]:
    """The data of each event. Comments and other fields carry nothing of the answer."""
    rest = b""
    async for part in response.aiter_raw():
        *lines, rest = (rest + part).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            raise RequestError("answer-too-large", f"one event of more than {_LONGEST_LINE} bytes")
        for line in lines:
            name, _, value = line.decode("utf-8", "replace").rstrip("\r").partition(":")
            if name == "data":
                yield value.removeprefix(" ")


def _take(found: Streamed, line: str, started: float) -> None:
    try:
        event = json.loads(line)
    except ValueError:
        raise RequestError("not-json", f"an event of the stream: {shown(line)}") from None
    if not isinstance(event, dict):
        raise RequestError("wrong-shape", f"an event of the stream: {shown(line)}")
    raise_error_inside(event)
    found.events += 1
    found.models.add(str(event.get("model")))
    found.usage = event.get("usage") or found.usage
    choices = event.get("choices") or [{}]
    try:
        delta = choices[0].get("delta") or {}
        found.finish_reason = choices[0].get("finish_reason") or found.finish_reason
        text = "".join(str(delta.get(key) or "") for key in ("content", "reasoning_content", "reasoning"))
    except (AttributeError, KeyError, TypeError):
        raise RequestError("wrong-shape", f"an event of the stream: {shown(line)}") from None
    if text and not found.text:
        found.first_seconds = time.monotonic() - started
    found.text += text
