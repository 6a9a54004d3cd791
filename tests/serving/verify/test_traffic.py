"""Whatever a request meets ends in a failure with a name, within its time."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cluster.target import Target
from serving.checking.findings import Verdict
from serving.live.http_client import HttpClient, Request
from serving.live.request_errors import RequestError
from serving.verify.run import verify
from tests.serving.verify import deployed
from tests.serving.verify.certificate import self_signed
from tests.serving.verify.conftest import Scene, outcome
from tests.serving.verify.model_server import Replicas
from tests.serving.verify.web import Reply, connection, serving

NAME = "Qwen/Qwen2.5-3B-Instruct"
USAGE = {"prompt_tokens": 5, "completion_tokens": 2}
HTML = Reply(200, "text/html", b"<!doctype html><title>Sign in</title>")
# Envoy's words for a backend that speaks plain HTTP where TLS is expected.
BACKEND_TLS = (
    b"upstream connect error or disconnect/reset before headers. reset reason: remote connection failure, transport "
    b"failure reason: TLS_error:|268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end"
)


@pytest.fixture
def make(make: Callable[..., Scene]) -> Any:
    """Scenes without a cluster to ask: requests decide."""
    return partial(make, kubernetes=False)


def text(status: int, body: bytes, **headers: str) -> Reply:
    return Reply(status, "text/plain", body, tuple(headers.items()))


def failure_of(scene: Scene, check: str) -> str:
    """The failure of a check, with its verdict and its line seen to be right."""
    report = scene.report()
    found = outcome(report, check)
    assert found.verdict is Verdict.FAIL
    assert (report.exit_code, report.good) == (1, False)
    assert report.line.startswith("does not serve: ")
    assert found.worst.message
    return found.worst.failure


ANSWERS = [
    (text(503, b"no healthy upstream"), "no-healthy-upstream"),
    (text(503, BACKEND_TLS), "backend-tls-mismatch"),
    (text(503, b"upstream connect error"), "service-unavailable"),
    (text(404, b"fault filter abort"), "no-route"),
    (text(404, b'{"detail":"Not Found"}'), "not-found"),
    (text(502, b""), "bad-gateway"),
    (text(504, b"upstream request timeout"), "gateway-timeout"),
    (text(408, b"upstream request timeout"), "gateway-timeout"),
    (text(401, b"Unauthorized"), "not-authorised"),
    (text(403, b"Forbidden"), "not-authorised"),
    (text(302, b"", Location="https://accounts.google.com/o/oauth2/v2/auth"), "not-authorised"),
    (text(302, b"", Location="http://elsewhere.invalid/"), "redirected-elsewhere"),
    (text(429, b"too many"), "too-many-requests"),
    (text(500, b"boom"), "error-status"),
    (text(204, b""), "error-status"),
    (HTML, "html-instead-of-json"),
    (Reply(200, "application/json", b"<html>"), "html-instead-of-json"),
    (Reply(200, "application/json", b'{"object": "chat.comp'), "not-json"),
    (Reply(200, "application/json", b"[]"), "wrong-shape"),
    (Reply(200, "application/json", b"{}"), "wrong-shape"),
    (Reply.json({"error": {"message": "engine is dead", "type": "InternalServerError"}}), "error-in-success"),
    (Reply.json({"object": "error", "message": "old form"}), "error-in-success"),
    (Reply(200, "application/json", b" " * (5 * 1024 * 1024)), "answer-too-large"),
]


@pytest.mark.parametrize(("reply", "failure"), ANSWERS, ids=[f"{r.status}-{f}-{n}" for n, (r, f) in enumerate(ANSWERS)])
def test_an_answer_of_somebody_else_has_a_name(make: Callable[..., Scene], reply: Reply, failure: str) -> None:
    report = make(answer=lambda *_: reply).report()
    found = {name: outcome(report, name).worst.failure for name in ("model-list", "chat", "completion", "stream")}
    streamed = "not-streamed" if reply.body == b"{}" else failure
    assert found == {**dict.fromkeys(found, failure), "stream": streamed}
    assert report.line.startswith(f"does not serve: model-list: {failure}: ")


def _changed(change: Callable[[dict[str, Any]], Any]) -> Callable[[str, str, Any], Reply]:
    """A server whose whole answers are changed."""
    right = Replicas([NAME])

    def answer(method: str, path: str, body: Any) -> Reply:
        reply = right(method, path, body)
        if method == "GET" or reply.kind != "application/json":
            return reply
        data = json.loads(reply.body)
        change(data)
        return Reply.json(data)

    return answer


CHANGES: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda data: data.update(model="other"), "wrong-model-answers"),
    (lambda data: data.update(object="list"), "wrong-shape"),
    (lambda data: data.update(choices=[]), "wrong-shape"),
    (lambda data: data.update(choices=["text"]), "wrong-shape"),
    (lambda data: data["choices"][0].update(finish_reason=None), "wrong-shape"),
    (lambda data: data["choices"][0].update(message=None, text=None), "wrong-shape"),
    (lambda data: data["choices"][0].update(message={"content": " "}, text=" "), "empty-answer"),
    (lambda data: data.pop("usage"), "no-usage"),
    (lambda data: data["usage"].update(prompt_tokens=0), "wrong-usage"),
    (lambda data: data["usage"].update(completion_tokens=17), "wrong-usage"),
    (lambda data: data["usage"].update(completion_tokens="1"), "wrong-usage"),
]


@pytest.mark.parametrize("check", ["chat", "completion"])
@pytest.mark.parametrize(("change", "failure"), CHANGES)
def test_an_answer_that_is_not_right_has_a_name(
    make: Callable[..., Scene], change: Any, failure: str, check: str
) -> None:
    assert failure_of(make(answer=_changed(change)), check) == failure


@pytest.mark.parametrize("check", ["chat", "completion", "stream"])
def test_a_server_that_goes_by_another_name(make: Callable[..., Scene], check: str) -> None:
    scene = make(answer=Replicas(["/mnt/models"]))
    report = scene.report()
    assert outcome(report, check).worst.failure == "wrong-model-name"
    listed = outcome(report, "model-list").worst
    assert (listed.failure, listed.message) == ("served-name-missing", f"{NAME} not among /mnt/models")


def hang(taken: socket.socket, over: threading.Event) -> None:
    over.wait()


def drip(taken: socket.socket, over: threading.Event) -> None:
    """Send a head one byte after the other: each read ends in time, the answer never comes."""
    taken.recv(4096)
    taken.sendall(b"HTTP/1.1 200 OK\r\nx-slow: ")
    while not over.wait(0.05):
        taken.sendall(b"a")


def drip_body(taken: socket.socket, over: threading.Event) -> None:
    taken.recv(4096)
    taken.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n{")
    while not over.wait(0.05):
        taken.sendall(b" ")


def close(taken: socket.socket, over: threading.Event) -> None:
    taken.recv(4096)


def reset(taken: socket.socket, over: threading.Event) -> None:
    taken.recv(1)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


def garbage(taken: socket.socket, over: threading.Event) -> None:
    taken.recv(4096)
    taken.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")


def half(taken: socket.socket, over: threading.Event) -> None:
    taken.recv(4096)
    taken.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{")


CONNECTIONS = [
    (hang, "no-answer-in-time"),
    (drip, "no-answer-in-time"),
    (drip_body, "no-answer-in-time"),
    (close, "connection-closed"),
    (reset, "connection-closed"),
    (garbage, "connection-closed"),
    (half, "connection-closed"),
]


@pytest.mark.parametrize(("handle", "failure"), CONNECTIONS, ids=[h.__name__ for h, _ in CONNECTIONS])
def test_a_connection_that_goes_wrong_has_a_name(make: Callable[..., Scene], handle: Any, failure: str) -> None:
    with connection(handle) as url:
        scene = make(url=url, request_seconds=1.0 if failure == "no-answer-in-time" else 20.0)
        report = scene.report()
    assert {outcome(report, name).worst.failure for name in ("model-list", "chat", "completion", "stream")} == {failure}


def test_nothing_listens(make: Callable[..., Scene]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert failure_of(make(url=f"http://127.0.0.1:{free.getsockname()[1]}"), "chat") == "connection-refused"


def test_a_name_that_nobody_knows(make: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert failure_of(make(url="http://nobody.invalid"), "chat") == "name-not-resolved"


def test_https_asked_of_a_port_that_speaks_http(make: Callable[..., Scene]) -> None:
    with serving(Replicas([NAME])) as server:
        scene = make(url=server.url.replace("http:", "https:"))
        report = scene.report()
    worst = outcome(report, "chat").worst
    assert worst.failure == "tls-mismatch"
    assert "WRONG_VERSION_NUMBER" in worst.message


def test_http_asked_of_a_port_that_speaks_tls(make: Callable[..., Scene], tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
    with serving(Replicas([NAME]), context) as server:
        scene = make(url=server.url.replace("https:", "http:"))
        failure = failure_of(scene, "chat")
    assert failure in ("tls-mismatch", "connection-closed")


def test_a_certificate_of_nobody_is_refused_and_a_named_authority_is_trusted(
    make: Callable[..., Scene], tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = self_signed(tmp_path)
    context.load_cert_chain(certificate)
    with serving(Replicas([NAME]), context) as server:
        scene = make(url=server.url)
        target = scene.target()
        assert outcome(verify(target, request_seconds=20), "chat").worst.failure == "certificate-not-trusted"
        trusting = verify(replace(target, ca_file=certificate), request_seconds=20)
    assert outcome(trusting, "chat").verdict is Verdict.PASS


@pytest.mark.parametrize(("days", "failure"), [(9, "certificate-expires"), (12, "")])
def test_a_certificate_that_expires_soon_is_warned_of(
    make: Callable[..., Scene], tmp_path: Path, days: int, failure: str
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = self_signed(tmp_path, days)
    context.load_cert_chain(certificate)
    with serving(Replicas([NAME]), context) as server:
        report = verify(replace(make(url=server.url).target(), ca_file=certificate), request_seconds=20)
    worst = outcome(report, "certificate").worst
    assert (report.good, worst.failure) == (True, failure)
    assert re.fullmatch(rf"until 20\d\d-\d\d-\d\d, ({days - 1}|{days}) days", worst.message)


def test_a_declared_name_is_asked_for_at_another_address_and_the_certificate_must_be_of_it(
    make: Callable[..., Scene], tmp_path: Path
) -> None:
    request = Request("GET", "/v1/models")
    with serving(Replicas([NAME])) as server:
        HttpClient(5, None, None, "models.example.com").ask(replace(request, url=f"{server.url}/v1/models"))
    assert [headers["Host"] for *_, headers in server.requests] == ["models.example.com"]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate = self_signed(tmp_path)
    context.load_cert_chain(certificate)
    with serving(Replicas([NAME]), context) as server, pytest.raises(RequestError) as refused:
        HttpClient(5, certificate, None, "models.example.com").ask(replace(request, url=f"{server.url}/v1/models"))
    assert "models.example.com" in refused.value.message


@pytest.mark.parametrize(
    ("base", "rehearsal", "url", "host"),
    [
        ("https://models.example.com", True, None, "models.example.com"),
        ("http://10.0.0.9", True, None, None),
        ("https://models.example.com", True, "http://127.0.0.1:9", None),
        ("https://models.example.com", False, None, None),
    ],
)
def test_the_declared_name_is_asked_for_in_a_rehearsal_only(
    base: str, rehearsal: bool, url: str | None, host: str | None, tmp_path: Path
) -> None:
    found = Target(
        "here", deployed.outputs(deployed.deployment(), base), load_balancer=tmp_path if rehearsal else None, url=url
    )
    assert found.host == host


def test_redirects_that_come_back(make: Callable[..., Scene]) -> None:
    def answer(_method: str, path: str, _body: Any) -> Reply:
        other = path.replace("/a", "") if path.endswith("/a") else f"{path}/a"
        return text(307, b"", Location=other)

    assert failure_of(make(answer=answer), "chat") == "redirect-loop"


def test_redirects_without_end(make: Callable[..., Scene]) -> None:
    assert failure_of(make(answer=lambda _m, path, _b: text(307, b"", Location=f"{path}x")), "chat") == "redirect-loop"


def test_one_redirect_on_the_same_host_is_followed_and_a_token_never_leaves_the_host(
    make: Callable[..., Scene],
) -> None:
    right = Replicas([NAME])
    with serving(right) as other:

        def answer(method: str, path: str, body: Any) -> Reply:
            if path.endswith("/moved"):
                return right(method, path.removesuffix("/moved"), body)
            place = f"{path}/moved" if "chat" in path else other.url.replace("127.0.0.1", "localhost")
            return text(307, b"", Location=place)

        scene = make(answer=answer, token="secret-token")
        report = scene.report()
        assert outcome(report, "chat").verdict is Verdict.PASS
        assert outcome(report, "completion").worst.failure == "redirected-elsewhere"
        assert other.requests == []


def test_requests_carry_the_token(make: Callable[..., Scene]) -> None:
    with serving(Replicas([NAME])) as server:
        make(url=server.url, token="secret-token").report()
        assert {headers.get("Authorization") for *_, headers in server.requests} == {"Bearer secret-token"}
