"""Answers as the load generator reads them: what is no whole, right stream has a name that the runbook knows."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.bench.answers import read_answer
from serving.checking.failures import load_failures
from serving.live.request_errors import RequestError
from tests.serving.verify.model_server import chunk, event, events

USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
STREAM = "text/event-stream; charset=utf-8"


class Stream:
    """What Locust's client reads a body from."""

    def __init__(self, body: bytes) -> None:
        self._rest = body

    def readline(self, end: bytes) -> bytes:
        line, found, self._rest = self._rest.partition(end)
        if not found:
            raise ConnectionResetError if line else OSError
        return line + found

    def read(self, _length: int | None = None) -> bytes:
        rest, self._rest = self._rest, b""
        return rest


@dataclass
class Response:
    """An answer of Locust's client."""

    body: bytes
    status_code: int = 200
    kind: str = STREAM
    headers: dict[str, str] = field(default_factory=dict)
    error: Exception | None = None

    def __post_init__(self) -> None:
        self.headers = {"content-type": self.kind, **self.headers}
        self.stream = Stream(self.body)


def read(response: Response) -> Any:
    """The answer, read at second 5."""
    return read_answer(response, lambda: 5.0)


def test_a_whole_stream_gives_first_text_and_usage() -> None:
    found = read(Response(events("m", USAGE)))
    assert (found.first, found.prompt_tokens, found.answer_tokens) == (5.0, 7, 2)


@given(st.text(max_size=200), st.sampled_from([(",", ":"), (", ", ": ")]), st.sampled_from(["\n\n", "\r\n\r\n"]))
def test_no_text_of_an_answer_disturbs_the_reading(text: str, separators: tuple[str, str], end: str) -> None:
    parts = [chunk("m", ""), chunk("m", "first"), chunk("m", text), {"choices": [], "usage": USAGE}]
    lines = [f"data: {json.dumps(part, separators=separators)}{end}" for part in parts]
    assert read(Response(f": a comment{end}{''.join(lines)}data: [DONE]{end}".encode())).answer_tokens == 2


def without_text() -> bytes:
    return event(chunk("m", "")) + event({"choices": [], "usage": USAGE}) + event(b"[DONE]")


WRONG: list[tuple[Response, str]] = [
    (Response(events("m", USAGE, done=False)), "stream-cut"),
    (Response(events("m", None)), "no-usage"),
    (Response(event(chunk("m", "a")) + event({"usage": {"prompt_tokens": "x"}}) + event(b"[DONE]")), "no-usage"),
    (Response(without_text()), "empty-answer"),
    (Response(event({"error": {"message": "out of memory"}})), "error-in-success"),
    (Response(event(chunk("m", "a")) + event({"error": {"message": "x"}})), "error-in-success"),
    (Response(event(b"{")), "not-json"),
    (Response(event([1])), "wrong-shape"),
    (Response(b"{}", kind="application/json"), "not-streamed"),
    (Response(b"<html>", kind="text/html"), "not-streamed"),
    (Response(b"no healthy upstream", 503), "no-healthy-upstream"),
    (Response(b"upstream request timeout", 504), "gateway-timeout"),
    (Response(b"", 401), "not-authorised"),
    (Response(b"", 429), "too-many-requests"),
    (Response(b"", 302, headers={"location": "http://elsewhere/"}), "redirected-elsewhere"),
    (Response(b"", 500), "error-status"),
    (Response(b"", 0, error=ConnectionRefusedError(111, "refused")), "connection-refused"),
]


@pytest.mark.parametrize(
    ("response", "failure"), WRONG, ids=[f"{number}-{name}" for number, (_, name) in enumerate(WRONG)]
)
def test_what_is_no_right_answer_has_a_name(response: Response, failure: str) -> None:
    with pytest.raises(RequestError) as raised:
        read(response)
    assert raised.value.failure == failure


def test_every_name_has_a_section_in_the_runbook() -> None:
    folder = Path(__file__).resolve().parents[3] / "serving" / "bench"
    named = {
        name
        for path in (folder / "answers.py", folder / "generator.py")
        for name in re.findall(r'RequestError\("([a-z-]+)"', path.read_text(encoding="utf-8"))
    }
    assert len(named) > 5
    assert named <= set(load_failures())
