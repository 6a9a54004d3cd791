"""A stream that goes wrong ends in a failure with a name, within its time; a long answer that is cut has one of its own."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from serving.checking.findings import Report, Verdict
from serving.verify.checks import traffic
from tests.serving.verify.conftest import Scene, outcome
from tests.serving.verify.model_server import Replicas, chunk, event, events
from tests.serving.verify.web import Reply

NAME = "Qwen/Qwen2.5-3B-Instruct"
USAGE = {"prompt_tokens": 5, "completion_tokens": 2}
# What a request may take, in seconds: where one is to run out of it, a busy machine needs a longer one for all others.
TIMES, HANGS = (2.0, 10.0, 50.0, 250.0), 600.0


@pytest.fixture
def make(make: Callable[..., Scene]) -> Any:
    """Scenes without a cluster to ask: requests decide."""
    return partial(make, kubernetes=False)


def in_time(make: Callable[..., Scene], answer: Any, expected: Callable[[Report], object]) -> Report:
    """A report that is as expected, or the one of the longest time."""
    for seconds in TIMES:
        report = make(answer=answer, request_seconds=seconds).report()
        if expected(report):
            break
    return report


def streamed(body: bytes, then: Callable[[Any, threading.Event], None] | None = None) -> Callable[..., Reply]:
    """A right server whose streams are this."""
    right = Replicas([NAME])

    def answer(method: str, path: str, asked: Any) -> Reply:
        if isinstance(asked, dict) and asked.get("stream"):
            return Reply(200, "text/event-stream", body, (), then or (lambda *_: None))
        return right(method, path, asked)

    return answer


def endless(file: Any, over: threading.Event) -> None:
    while not over.is_set():
        file.write(event(chunk(NAME, "more ")) * 100)


def slow_and_endless(file: Any, over: threading.Event) -> None:
    while not over.wait(0.1):
        file.write(event(chunk(NAME, "more ")))
        file.flush()


def silent(_file: Any, over: threading.Event) -> None:
    over.wait()


STREAMS = [
    (streamed(events(NAME, USAGE, done=False)), "stream-cut"),
    (streamed(b""), "stream-cut"),
    (streamed(event(chunk(NAME, "Yes")), endless), "stream-never-ends"),
    (streamed(event(chunk(NAME, "Yes")), slow_and_endless), "stream-never-ends"),
    (streamed(event(chunk(NAME, "Yes")), silent), "stream-stalls"),
    (streamed(b"", silent), "stream-stalls"),
    (streamed(events(NAME, None)), "no-usage"),
    (streamed(events(NAME, {"prompt_tokens": 1, "completion_tokens": 49})), "wrong-usage"),
    (streamed(events("other", USAGE)), "wrong-model-answers"),
    (streamed(event(b"[DONE]")), "empty-answer"),
    (streamed(event({"error": {"message": "preempted"}})), "error-in-success"),
    (streamed(event(b"{half")), "not-json"),
    (streamed(event([1])), "wrong-shape"),
    (streamed(event({"choices": ["x"]})), "wrong-shape"),
    (streamed(b"data: " + b"x" * (2 * 1024 * 1024)), "answer-too-large"),
    (streamed(events(NAME, USAGE)), ""),
]


@pytest.mark.parametrize(("answer", "failure"), STREAMS, ids=[f"{f}-{n}" for n, (_, f) in enumerate(STREAMS)])
def test_a_stream_that_goes_wrong_has_a_name(make: Callable[..., Scene], answer: Any, failure: str) -> None:
    said = f"does not serve: stream: {failure}: "
    report = in_time(make, answer, lambda report: report.line.startswith(said) or not failure)
    assert outcome(report, "chat").verdict is Verdict.PASS
    assert report.line.startswith(said) or (failure, outcome(report, "stream").verdict) == ("", Verdict.PASS)


def test_a_server_that_ignores_the_limit_is_seen_by_its_events_before_the_time_is_up(
    make: Callable[..., Scene],
) -> None:
    report = make(answer=streamed(event(chunk(NAME, "Yes")), endless), request_seconds=HANGS).report()
    assert "and no end, for an answer of at most 48 tokens" in outcome(report, "stream").worst.message


def test_a_stream_cut_in_the_middle_of_a_chunk(make: Callable[..., Scene]) -> None:
    def answer(*_: Any) -> Reply:
        part = event(chunk(NAME, "Yes"))
        body = f"{len(part) + 100:x}\r\n".encode() + part
        return Reply(200, "text/event-stream", body, (("transfer-encoding", "chunked"),), lambda *_: None)

    scene = make(answer=answer)
    assert outcome(scene.report(), "stream").worst.failure == "stream-cut"


def long_streamed(body: bytes, then: Callable[[Any, threading.Event], None] | None = None) -> Callable[..., Reply]:
    """A right server whose long answers, and only those, are this."""
    right, long = Replicas([NAME]), streamed(body, then)

    def answer(method: str, path: str, asked: Any) -> Reply:
        is_long = isinstance(asked, dict) and asked.get("ignore_eos")
        return (long if is_long else right)(method, path, asked)

    return answer


LONG: list[tuple[Callable[..., Reply], str]] = [
    (long_streamed(event(chunk(NAME, "Yes"))), "long-answer-cut"),
    (
        lambda *asked: (
            Reply(504, "text/plain", b"upstream request timeout")
            if (asked[2] or {}).get("ignore_eos")
            else Replicas([NAME])(*asked)
        ),
        "long-answer-cut",
    ),
    (long_streamed(event(chunk(NAME, "Yes")), silent), "stream-stalls"),
]


@pytest.mark.parametrize(("answer", "failure"), LONG)
def test_only_a_long_answer_that_goes_wrong_has_a_name(make: Callable[..., Scene], answer: Any, failure: str) -> None:
    said = f"does not serve: long-answer: {failure}: "
    report = in_time(make, answer, lambda report: report.line.startswith(said))
    assert report.line.startswith(said)
    assert outcome(report, "stream").verdict is Verdict.PASS


def test_a_long_answer_that_still_comes_past_the_default_limit_is_proof_and_is_left_then(
    make: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traffic, "DEFAULT_TIMEOUT", 1)
    endless_long = long_streamed(event(chunk(NAME, "Yes")), slow_and_endless)
    said = r"\d+\.\d s and still coming, past the default limit of 1 s"
    report = in_time(
        make, endless_long, lambda report: re.fullmatch(said, outcome(report, "long-answer").worst.message)
    )
    found = outcome(report, "long-answer")
    assert found.verdict is Verdict.PASS
    assert re.fullmatch(said, found.worst.message)


def test_a_long_answer_that_is_short_enough_leaves_the_proof_to_the_configuration(make: Callable[..., Scene]) -> None:
    worst = outcome(make().report(), "long-answer").worst
    assert worst.message.endswith("s to the end, shorter than the default limit of 30 s")
