"""Start, end, and connections that are no HTTP."""

from __future__ import annotations

import datetime
import json
import signal
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rehearsal.model_server.timing import Timing
from tests.rehearsal.model_server.conftest import HANGS, Start
from tests.rehearsal.model_server.test_streams import CHAT, body


def test_the_start_takes_the_measured_time_scaled_and_five_seconds_by_default() -> None:
    real = Timing.of({"REHEARSAL_SPEED": "1"})
    assert (real.server_seconds, real.compile_seconds) == (33, 91)
    usual = Timing.of({})
    assert usual.server_seconds + usual.compile_seconds == pytest.approx(5, abs=0.1)
    assert usual.tokens_per_second == real.tokens_per_second * 25


def test_connections_are_refused_until_it_is_ready_and_each_phase_is_logged(start: Start) -> None:
    slow = start(speed=0.001, ready=False)
    slow.until(lambda: "times are 0.001 times shorter" in slow.log)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", slow.port))
    assert "Starting vLLM server" not in slow.log
    server = start(speed=60)
    texts = [
        "vLLM server version 0.27.0, serving model /mnt/models",
        "Init model",
        "GPU KV cache size",
        "init engine (profile, create kv cache, warmup model) took 1.52 s",
        f"Starting vLLM server on http://127.0.0.1:{server.port}",
        "Application startup complete.",
    ]
    places = [server.log.index(text) for text in texts]
    assert places == sorted(places)


def test_a_taken_port_ends_it_before_the_long_start(start: Start) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        server = start(f"--port={other.getsockname()[1]}", speed=0.001, ready=False)
        assert server.process.wait(HANGS) == 1
    assert "Address already in use" in server.log


def test_sigterm_during_the_start_ends_it(start: Start) -> None:
    server = start(speed=0.001, ready=False)
    server.until(lambda: "times are 0.001 times shorter" in server.log)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(HANGS) == 0


def lines(response: httpx.Response) -> list[Any]:
    found = [line.removeprefix("data: ") for line in response.iter_lines() if line]
    return [json.loads(line) if line != "[DONE]" else line for line in found]


def test_sigterm_lets_running_requests_finish_and_aborts_new_ones(start: Start) -> None:
    server = start("--shutdown-timeout=45000", rate=100)
    with server.client.stream("POST", CHAT, json=body(1000)) as running:
        server.process.send_signal(signal.SIGTERM)
        server.until(lambda: "mode=drain" in server.log)
        assert server.client.get("/health").status_code == 200
        late = server.chat().json()
        assert late["choices"][0]["finish_reason"] == "abort"
        assert late["usage"]["completion_tokens"] == 0
        *_, last, done = lines(running)
    assert (last["choices"][0]["finish_reason"], done) == ("length", "[DONE]")
    server.client.close()
    assert server.process.wait(HANGS) == 0


def test_sigterm_without_a_shutdown_timeout_aborts_what_runs(start: Start) -> None:
    server = start("--max-num-seqs=1", rate=50)
    streams = [server.client.stream("POST", CHAT, json=body(3000)) for _ in range(2)]
    responses = [stream.__enter__() for stream in streams]
    server.process.send_signal(signal.SIGTERM)
    for response in responses:
        *_, last, done = lines(response)
        assert (last["choices"][0]["finish_reason"], done) == ("abort", "[DONE]")
    server.client.close()
    assert server.process.wait(HANGS) == 0


def test_what_is_not_done_when_the_time_is_up_is_cut(start: Start) -> None:
    server = start("--shutdown-timeout=100", rate=1)
    with server.client.stream("POST", CHAT, json=body(3000)) as running:
        server.process.send_signal(signal.SIGTERM)
        with pytest.raises(httpx.RemoteProtocolError):
            lines(running)
    assert server.process.wait(HANGS) == 0
    assert "1 requests are cut" in server.log


def test_tls_bytes_on_a_plain_port_are_answered_in_plain_text_and_warned_of(start: Start) -> None:
    server = start()
    with pytest.raises(httpx.ConnectError, match=r"(?i)wrong.version.number"):
        httpx.get(f"https://127.0.0.1:{server.port}/health", verify=False, trust_env=False)  # noqa: S501
    server.until(lambda: "WARNING:  Invalid HTTP request received." in server.log)
    assert server.client.get("/health").status_code == 200


def test_with_a_certificate_it_speaks_tls_only(start: Start, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (tmp_path / "tls.crt").write_bytes(certificate.public_bytes(pem))
    (tmp_path / "tls.key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    server = start(f"--ssl-certfile={tmp_path}/tls.crt", f"--ssl-keyfile={tmp_path}/tls.key")
    assert server.chat().status_code == 200
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{server.port}/health", trust_env=False)
