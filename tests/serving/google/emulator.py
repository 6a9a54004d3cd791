"""An emulator of Google's REST APIs on loopback: it takes what the discovery documents take, and answers in their shapes.

What a request or an answer has that the documents do not know is kept in `problems`, and fails the test.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.serving.google import discovery

Answer = dict[str, Any] | None
# Cloud Quotas has no discovery document in the package; the form is that of its client's requests.
_QUOTA_INFO = re.compile(r"projects/[^/]+/locations/global/services/compute\.googleapis\.com/quotaInfos/[^/]+")
Handler = Callable[[Mapping[str, str], Mapping[str, list[str]], Any], Answer]


class Server(ThreadingHTTPServer):
    """All checks connect at once, more of them than the base class lets wait."""

    request_queue_size = 128
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has stopped waiting is no error of the server."""


@dataclass
class Trouble:
    """Instead of an answer: `error` (status and body) for the first `times` requests, a pause, or these bytes."""

    error: tuple[int, dict[str, Any]] | None = None
    times: int = 1_000_000
    pause: float = 0.0
    raw: bytes | None = None


def error(status: int, message: str, reason: str = "", service: str = "", word: str = "") -> tuple[int, dict[str, Any]]:
    """Google's error model, with the older list of errors beside its details."""
    body: dict[str, Any] = {"code": status, "message": message, "status": word}
    if reason:
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}
        body["details"] = [{**info, "metadata": {"service": service} if service else {}}]
        body["errors"] = [{"message": message, "domain": "global", "reason": reason}]
    return status, {"error": body}


class RefusedRequestError(Exception):
    """What a handler raises for an answer of `error`."""

    def __init__(self, answer: tuple[int, dict[str, Any]]) -> None:
        super().__init__(answer[1]["error"]["message"])
        self.answer = answer


@dataclass
class GoogleEmulator:
    """The server. `handlers`: (API, method) -> answer, None for 404. `token`: what a good request carries."""

    handlers: dict[tuple[str, str], Handler] = field(default_factory=dict)
    quota: Callable[[str], str | None] = lambda _id: None
    troubles: dict[tuple[str, str], Trouble] = field(default_factory=dict)
    token: str = "good"
    grants: bool = True
    problems: list[str] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._server = Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def endpoints(self) -> dict[str, str]:
        """API -> base URL, for preflight's client."""
        found = {name: f"{self.url}/{name}/{discovery.api(name).service_path}" for name in discovery.VERSIONS}
        return {**found, "cloudquotas": self.url}

    def reset(self) -> None:
        """No answers, no troubles, nothing asked."""
        self.handlers, self.troubles, self.problems, self.asked = {}, {}, [], []
        self.quota, self.token, self.grants = (lambda _id: None), "good", True

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def trouble(self, api: str, method: str) -> tuple[int, bytes] | None:
        """What is answered instead; waits where there is to be a pause."""
        found = self.troubles.get((api, method)) or self.troubles.get((api, "*")) or self.troubles.get(("*", "*"))
        if found is None or found.times <= 0:
            return None
        found.times -= 1
        time.sleep(found.pause)
        if found.raw is not None:
            return 200, found.raw
        if found.error is None:
            return None
        return found.error[0], json.dumps(found.error[1]).encode()

    def answer(self, verb: str, url: str, body: bytes, authorization: str) -> tuple[int, bytes]:
        """Status and body for a request."""
        parts = urlsplit(url)
        name, _, path = parts.path.lstrip("/").partition("/")
        if name == "token":
            return self._grant()
        if name == "v1":
            return self._quota_info(path, authorization)
        api = discovery.api(name)
        found = api.find(verb, path.removeprefix(api.service_path))
        if found is None:
            self.problems.append(f"{name}: no method {verb} {path}")
            return 404, b"{}"
        method, values = found
        values, query = {key: unquote(value) for key, value in values.items()}, parse_qs(parts.query)
        data = json.loads(body) if body else None
        self.problems += api.wrong_query(method, query)
        if method.request is not None:
            self.problems += api.wrong_value(method.request, data, method.name)
        self.asked.append((name, method.name))
        if authorization != f"Bearer {self.token}":
            return _as_bytes(error(401, "Request had invalid authentication credentials.", word="UNAUTHENTICATED"))
        instead = self.trouble(name, method.name)
        if instead is not None:
            return instead
        try:
            given = self.handlers[(name, method.name)](values, query, data)
        except RefusedRequestError as refused:
            return _as_bytes(refused.answer)
        if given is None:
            return _as_bytes(_not_found(name, parts.path))
        self.problems += api.wrong_value(method.response, given, method.name)
        return 200, json.dumps(given).encode()

    def _quota_info(self, path: str, authorization: str) -> tuple[int, bytes]:
        """Made from Google's own message type (world.py), so its shape is right by construction."""
        self.asked.append(("cloudquotas", "quotaInfos.get"))
        if not _QUOTA_INFO.fullmatch(path):
            self.problems.append(f"cloudquotas: no method GET v1/{path}")
        # This client sends what a service account has signed itself (a JSON Web Token) in place of a token from Google.
        if authorization != f"Bearer {self.token}" and not authorization.startswith("Bearer eyJ"):
            return _as_bytes(error(401, "Request had invalid authentication credentials.", word="UNAUTHENTICATED"))
        instead = self.trouble("cloudquotas", "quotaInfos.get")
        if instead is not None:
            return instead
        text = self.quota(path.rpartition("/")[2])
        return (200, text.encode()) if text else _as_bytes(error(404, "Quota info not found.", word="NOT_FOUND"))

    def _grant(self) -> tuple[int, bytes]:
        if not self.grants:
            return 400, json.dumps({"error": "invalid_grant", "error_description": "Token has been expired."}).encode()
        return 200, json.dumps({"access_token": self.token, "expires_in": 3600, "token_type": "Bearer"}).encode()


def _not_found(api: str, path: str) -> tuple[int, dict[str, Any]]:
    resource = path[path.index("projects/") :] if "projects/" in path else path
    if api == "compute":
        return error(404, f"The resource '{resource}' was not found", "notFound")
    return error(404, f"Not found: {resource}", word="NOT_FOUND")


def _as_bytes(made: tuple[int, dict[str, Any]]) -> tuple[int, bytes]:
    return made[0], json.dumps(made[1]).encode()


def _handler(emulator: GoogleEmulator) -> type[BaseHTTPRequestHandler]:
    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body are two writes: the second would wait 40 ms for the client's delayed acknowledgement.
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, text = emulator.answer(self.command, self.path, body, self.headers.get("Authorization", ""))
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=UTF-8")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_DELETE = _serve  # noqa: N815 - names of the base class

        def log_message(self, *arguments: object) -> None:
            """Nothing on standard error."""

    return Requests
