"""Reading a streamed answer as cheaply as can be: a load generator that parses every event measures its own parser.

Only the time of the first text, the usage and the end are of interest. What is no right answer is named as `verify` names
it (docs/runbook.md).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from catalog.models import Task
from serving.live.answers import check_pooled
from serving.live.request_errors import RequestError, of_error, of_status

_DATA, _DONE = b"data:", b"[DONE]"
_LONGEST_ERROR = 64 * 1024


@dataclass(frozen=True)
class TimedAnswer:
    """An answer: when its first text came (by the given clock), and the tokens of its usage."""

    first: float
    prompt_tokens: int
    answer_tokens: int


def read_answer(response: Any, clock: Callable[[], float], task: Task = "chat") -> TimedAnswer:
    """Read an answer of Locust's client to its end.

    Raises:
        RequestError: another status, no stream, cut, an error inside, no text or numbers, or no usage.
    """
    if response.status_code == 0:
        error = response.error
        raise of_error(error) if isinstance(error, Exception) else RequestError("request-failed")
    if response.status_code != 200:
        raise _of_status(response)
    if task == "chat" and "text/event-stream" not in (response.headers.get("content-type") or ""):
        raise RequestError("not-streamed")
    try:
        return _read(response.stream, clock) if task == "chat" else _read_numbers(response.stream, clock, task)
    except (OSError, ValueError, HTTPException) as error:
        raise RequestError("stream-cut") from error


def _read(stream: Any, clock: Callable[[], float]) -> TimedAnswer:
    first: float | None = None
    usage: dict[str, Any] = {}
    while text := stream.readline(b"\n"):
        data = text.strip()
        if not data.startswith(_DATA):
            continue
        data = data[len(_DATA) :].strip()
        if data == _DONE:
            stream.read()  # to the end, so that the connection can be used again
            return _checked(first, usage)
        # The first text and the usage are looked at closely; what lies between only has to come.
        if first is None or b'"usage":{' in data or b'"usage": {' in data or b'"error"' in data:
            event = _event(data)
            usage = event.get("usage") or usage
            if first is None and _has_text(event):
                first = clock()
    raise RequestError("stream-cut")


def _read_numbers(stream: Any, clock: Callable[[], float], task: Task) -> TimedAnswer:
    body = stream.read()
    came = clock()  # before it is looked at
    answer = _event(body)
    try:
        check_pooled(answer, task)
        return TimedAnswer(came, int(answer["usage"]["prompt_tokens"]), 0)
    except (LookupError, TypeError):
        raise RequestError("no-usage") from None


def _event(data: bytes) -> dict[str, Any]:
    try:
        event = json.loads(data)
    except ValueError:
        raise RequestError("not-json") from None
    if not isinstance(event, dict):
        raise RequestError("wrong-shape")
    if event.get("error") or event.get("object") == "error":
        raise RequestError("error-in-success")
    return event


def _has_text(event: dict[str, Any]) -> bool:
    try:
        delta = event["choices"][0].get("delta") or {}
    except (LookupError, AttributeError, TypeError):
        return False
    return any(delta.get(key) for key in ("content", "reasoning_content", "reasoning"))


def _checked(first: float | None, usage: dict[str, Any]) -> TimedAnswer:
    if first is None:
        raise RequestError("empty-answer")
    try:
        return TimedAnswer(first, int(usage["prompt_tokens"]), int(usage["completion_tokens"]))
    except (LookupError, TypeError, ValueError):
        raise RequestError("no-usage") from None


def _of_status(response: Any) -> RequestError:
    try:
        body = response.stream.read(_LONGEST_ERROR).decode("utf-8", "replace")
    except (OSError, ValueError, AttributeError, HTTPException):
        body = ""
    found = of_status(response.status_code, dict(response.headers.items()), body)
    return found or RequestError("error-status", body)
