"""A target with fakes behind it, and a report of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cluster.errors import CannotAskError
from cluster.target import Target
from serving.checking.findings import Outcome, Report
from serving.google.client import GoogleClient
from serving.verify.run import verify
from tests.serving.verify import deployed
from tests.serving.verify.api_server import ApiServer
from tests.serving.verify.model_server import Replicas
from tests.serving.verify.web import Answer, serving


def no_credentials() -> GoogleClient:
    """A client of Google's APIs on a machine without credentials."""

    def refuse() -> Any:
        raise CannotAskError("no-credentials", "a test has none")

    return GoogleClient("p", refuse, 1.0)


@pytest.fixture(autouse=True)
def nobody_at_google(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of this machine's own credentials; google-auth asks no metadata server."""
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)


@dataclass
class Scene:
    """An environment that serves, until a test spoils a part of it."""

    folder: Path
    stack: ExitStack
    environment: str = "prod"
    # Long for a busy machine; what is to run out of time says so.
    request_seconds: float = 20.0
    answer: Answer | None = None
    url: str | None = None
    token: str | None = None
    client_certificate: Path | None = None
    kubernetes: bool = True
    load_balancer: Path | None = None
    google: Callable[[], GoogleClient] = no_credentials
    changes: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        made = deployed.deployment(self.environment)
        self.deployment = made
        self.names = made.models[0].settings.names_for_clients
        self.replicas = Replicas(self.names, made.models[0].settings.replicas)
        self.api = ApiServer(deployed.objects(made))

    @property
    def objects(self) -> list[dict[str, Any]]:
        return self.api.objects

    def target(self) -> Target:
        """Start the fakes and say where they are."""
        self.api.pod_page = self.api.pod_page if self.answer else self.replicas.page
        url = self.url or self.stack.enter_context(serving(self.answer or self.replicas)).url
        outputs = deployed.outputs(self.deployment, url).model_copy(update=self.changes)
        kubeconfig = self.stack.enter_context(self.api.running(self.folder)) if self.kubernetes else None
        return Target(
            *("test", outputs, kubeconfig, self.load_balancer, None, self.token),
            client_certificate=self.client_certificate,
        )

    def report(self, **options: Any) -> Report:
        """What verify says."""
        return verify(self.target(), request_seconds=self.request_seconds, google=self.google, **options)


@pytest.fixture
def make(tmp_path: Path) -> Any:
    """Makes scenes; their fakes end with the test."""
    with ExitStack() as stack:
        yield lambda **options: Scene(tmp_path, stack, **options)


@pytest.fixture
def scene(make: Callable[..., Scene]) -> Scene:
    return make()


def outcome(report: Report, name: str) -> Outcome:
    """The outcome of a check."""
    return next(item for item in report.outcomes if item.check.name == name)
