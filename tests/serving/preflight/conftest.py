"""An emulator of Google, one of the Hugging Face Hub, and preflight asking both."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from google.oauth2.credentials import Credentials

from checks.environment import require
from serving.checking.findings import Finding, Report, Verdict
from serving.checking.runner import run_check
from serving.google.client import GoogleClient
from serving.preflight.context import Context
from serving.preflight.dns import PublicDns
from serving.preflight.hub import Hub
from serving.preflight.registry import checks
from serving.preflight.run import preflight
from settings.derive import Deployment
from settings.document import Document
from tests.serving.google.emulator import GoogleEmulator, Server
from tests.serving.preflight.fake_project import FakeProject, happy

_BASE: dict[str, Any] = {
    "project": {"id": "example-project"},
    "location": {"zone": "europe-west4-a"},
    "models": [
        {"name": "qwen", "source": "hf://Qwen/Qwen2.5-3B-Instruct", "tpu": {"generation": "v6e", "topology": "2x2"}}
    ],
}


def environment(**sections: Any) -> Deployment:
    """An environment that no rule refuses, with these sections in place of the defaults."""
    return require(Document("dev", "test", {**_BASE, **sections}))[0]


@dataclass
class HubEmulator:
    """Models of the Hub: `gated` by id, and who may load them. `status` is answered to everything where it is set."""

    gated: dict[str, Any] = field(default_factory=dict)
    safetensors: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, set[str]] = field(default_factory=dict)
    private: dict[str, set[str]] = field(default_factory=dict)
    known_tokens: set[str] = field(default_factory=set)
    status: int = 0
    body: str = ""

    def __post_init__(self) -> None:
        self.server = Server(("127.0.0.1", 0), _hub_requests(self))
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, path: str, token: str) -> tuple[int, str]:
        """Status and body for a path."""
        if self.status:
            return self.status, self.body
        model = path.removeprefix("/api/models/").removesuffix("/auth-check").partition("/revision/")[0]
        if token and token not in set().union(*self.tokens.values(), self.known_tokens):
            return 401, json.dumps({"error": "Invalid credentials in Authorization header"})
        if model not in self.gated or (model in self.private and token not in self.private[model]):
            return 401, json.dumps({"error": "Repository not found"})
        if path.endswith("/auth-check"):
            allowed = token in self.tokens.get(model, set())
            return (200, "{}") if allowed else (403, json.dumps({"error": "Access to model is restricted"}))
        return 200, json.dumps({"id": model, "gated": self.gated[model], "safetensors": self.safetensors.get(model)})


def _hub_requests(hub: HubEmulator) -> type[BaseHTTPRequestHandler]:
    class Requests(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            status, text = hub.answer(self.path, token)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *arguments: object) -> None:
            """Nothing on standard error."""

    return Requests


class DelegatedTo(PublicDns):
    """Every domain is delegated to these."""

    def __init__(self, *servers: str) -> None:
        super().__init__(1)
        self._servers = frozenset(servers)

    def name_servers(self, domain: str) -> frozenset[str]:
        return self._servers


@dataclass
class Scene:
    """An environment, a fake project for it, and what preflight says."""

    google: GoogleEmulator
    hub: HubEmulator
    deployment: Deployment
    fake: FakeProject
    token: str = ""
    seconds: float = 60.0
    retries: int = 0
    credentials: Callable[[], Any] | None = None
    dns: PublicDns = field(default_factory=lambda: DelegatedTo("ns1."))

    def use(self, deployment: Deployment) -> FakeProject:
        """Another environment, with a project in which it could be built."""
        self.deployment, self.fake = deployment, happy(deployment)
        for model in deployment.models:
            self.hub.gated.setdefault(model.settings.source.removeprefix("hf://").partition(":")[0], False)
        return self.fake

    def context(self) -> Context:
        """What the checks get."""
        self.fake.serve(self.google)
        good = Credentials(token=self.google.token)  # type: ignore[no-untyped-call]
        google = GoogleClient(
            self.deployment.settings.project.id,
            self.credentials or (lambda: good),
            self.seconds,
            endpoints=self.google.endpoints,
            retries=self.retries,
        )
        return Context(self.deployment, google, Hub(self.seconds, self.hub.url, self.token), self.dns)

    def ask(self, *, strict: bool = False) -> Report:
        """The whole report."""
        return preflight(self.context(), strict=strict)

    def results(self, check: str) -> list[Finding]:
        """What one check says."""
        [wanted] = [item for item in checks() if item.name == check]
        return list(run_check(wanted, self.context(), "project p").findings)

    def only(self, check: str, verdict: Verdict) -> Finding:
        """The one result of a check that is not a pass; it has this verdict."""
        [result] = [item for item in self.results(check) if item.verdict is not Verdict.PASS]
        assert result.verdict is verdict, result
        return result


@pytest.fixture(scope="session")
def google_server() -> Iterator[GoogleEmulator]:
    made = GoogleEmulator()
    yield made
    made.close()


@pytest.fixture(scope="session")
def hub_server() -> Iterator[HubEmulator]:
    made = HubEmulator()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def scene(google_server: GoogleEmulator, hub_server: HubEmulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    google_server.reset()
    hub_server.gated, hub_server.tokens, hub_server.status, hub_server.body = {}, {}, 0, ""
    hub_server.safetensors = {}
    hub_server.private, hub_server.known_tokens = {}, set()
    deployment = environment()
    made = Scene(google_server, hub_server, deployment, happy(deployment))
    made.use(deployment)
    yield made
    assert google_server.problems == []
