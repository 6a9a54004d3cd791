"""The load generator's process: whom it trusts, what it sends."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from serving.bench.events import Event, LoadOrder
from serving.bench.workload import Workload
from tests.serving.bench.made import WORKLOAD
from tests.serving.verify.certificate import self_signed
from tests.serving.verify.model_server import events
from tests.serving.verify.web import Reply, Server, serving

ROOT = Path(__file__).resolve().parents[3]
USAGE = {"prompt_tokens": 40, "completion_tokens": 2, "total_tokens": 42}


def answer(_method: str, _path: str, body: Any) -> Reply:
    return Reply(200, "text/event-stream", events(body["model"], USAGE))


def told(server: Server, ca_file: Path | None, *, seconds: float = 30.0, host: str | None = None) -> list[Event]:
    """Every event of one step of one user."""
    authority = str(ca_file) if ca_file else None
    order = LoadOrder(
        server.url, WORKLOAD, 1, 1.0, 10.0, seconds, "the-token", authority, host, client_certificate=authority
    )
    command = [sys.executable, "-m", "serving.bench.generator"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(order.text() + "\n")
        process.stdin.flush()
        found = [json.loads(line) for line in process.stdout]
    assert process.returncode == 0
    return found


@pytest.mark.parametrize(
    ("named", "host", "trusted"), [(True, None, True), (False, None, False), (True, "models.example.com", False)]
)
def test_a_certificate_is_trusted_only_of_a_named_authority_and_for_the_name_that_is_asked(
    tmp_path: Path, named: bool, host: str | None, trusted: bool
) -> None:
    pem = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    if trusted:  # the Gateway of consumers wants a certificate of them too
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(pem)
    with serving(answer, context) as server:
        found = told(server, pem if named else None, host=host)
        sent = server.requests
    errors = {event["error"] for event in found if event["kind"] == "request"}
    assert errors == ({None} if trusted else {"certificate-not-trusted"})
    assert bool(sent) == trusted


def test_every_request_is_the_workloads_with_the_token_and_a_prompt_of_its_own() -> None:
    with serving(answer) as server:
        found = told(server, None, host="models.example.com")
        sent = server.requests
    assert found[-1]["ending"] == "maximum"
    assert [event["kind"] for event in found if event["kind"] not in ("request", "end")] == [
        *("step-begins", "window-begins", "window-ends", "step")
    ]
    bodies = [body for _, _, body, _ in sent]
    assert len(bodies) > 1
    assert bodies == [WORKLOAD.body(number) for number in range(1, len(bodies) + 1)]
    assert {path for _, path, _, _ in sent} == {"/v1/chat/completions"}
    assert {(headers["Authorization"], headers["Host"]) for *_, headers in sent} == {
        ("Bearer the-token", "models.example.com")
    }


def test_the_run_ends_when_its_time_is_up() -> None:
    with serving(answer) as server:
        found = told(server, None, seconds=0.5)
    assert found[-1]["ending"] == "time"
    assert not any(event["kind"] == "step" for event in found)


def test_without_a_command_no_load_is_sent() -> None:
    """A command that was killed sends no word; the end of the pipe is the word."""
    with serving(answer) as server:
        order = LoadOrder(server.url, WORKLOAD, 1, 600.0, 10.0, 600.0, None, None)
        command = [sys.executable, "-m", "serving.bench.generator"]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(order.text() + "\n")
            process.stdin.flush()
            assert process.stdout.readline()
            process.stdin.close()
            assert process.wait() == 1
            process.stdout.read()


def test_an_order_is_read_as_it_was_written() -> None:
    order = LoadOrder("http://127.0.0.1/x", Workload("m", 1, 2, 0.5, 3), 4, 5.0, 6.0, 7.0, "t", None)
    assert LoadOrder.parse(json.loads(order.text())) == order
