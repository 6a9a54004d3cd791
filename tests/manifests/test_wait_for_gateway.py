"""The readiness Job's program, with an API and a clock of our own."""

from __future__ import annotations

import http.client
import importlib.util
import io
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from catalog.gke import facts
from manifests import readiness
from settings.document import ROOT
from tests.manifests.test_manifests import DEPLOYMENTS

ARGUMENTS = ["--gateway-class", "gke-l7-rilb", "--crd", "a.example", "--crd", "b.example", "--budget-seconds", "60"]
ARGUMENTS += ["--service-account", "/var/run/secrets/kubernetes.io/serviceaccount"]


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def answers(kind: str, ready: bool) -> dict[str, Any]:
    """An object whose condition holds or not."""
    return {"status": {"conditions": [{"type": kind, "status": "True" if ready else "False"}]}}


@pytest.fixture
def gate() -> Any:
    spec = importlib.util.spec_from_file_location("gate", ROOT / "manifests/scripts/wait_for_gateway.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def everything(path: str) -> dict[str, Any]:
    return answers("Accepted" if "gatewayclasses" in path else "Established", True)


def test_what_is_there_at_once_costs_no_sleep(gate: Any) -> None:
    clock = Clock()
    assert gate.main(ARGUMENTS, everything, clock, clock.sleep) == 0
    assert clock.now == 0


@pytest.mark.parametrize("late", ["gatewayclasses/gke-l7-rilb", "a.example", "b.example"])
def test_each_part_alone_is_waited_for_and_named(gate: Any, late: str, capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()

    def fetch(path: str) -> dict[str, Any]:
        return {} if path.endswith(late) and clock.now < 30 else everything(path)

    assert gate.main(ARGUMENTS, fetch, clock, clock.sleep) == 0
    assert clock.now == 30
    said = capsys.readouterr().out.splitlines()
    assert late.rsplit("/", 1)[-1] in said[0]
    assert said[-1] == "ready after 30 s"


def test_the_budget_ends_the_wait_with_advice(gate: Any, capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    assert gate.main(ARGUMENTS, lambda _: {}, clock, clock.sleep) == 1
    assert clock.now == 60
    assert "HTTP load balancing" in capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize(
    "status",
    [{}, {"conditions": None}, {"conditions": []}, {"conditions": [{"type": "Accepted", "status": "Unknown"}]}],
)
def test_a_class_that_is_only_registered_is_not_ready(gate: Any, status: dict[str, Any]) -> None:
    assert not gate.has_condition({"status": status}, "Accepted")


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError("refused"),
        TimeoutError("slow"),
        urllib.error.URLError("no route"),
        json.JSONDecodeError("cut short", "{", 1),
        http.client.IncompleteRead(b"{"),
    ],
)
def test_an_api_error_is_waited_out(gate: Any, error: Exception) -> None:
    clock = Clock()

    def fetch(path: str) -> dict[str, Any]:
        if clock.now < 20:
            raise error
        return everything(path)

    assert gate.main(ARGUMENTS, fetch, clock, clock.sleep) == 0
    assert clock.now == 20


def http_error(code: int) -> urllib.error.HTTPError:
    return urllib.error.HTTPError("https://kubernetes.default.svc/x", code, "", Message(), io.BytesIO())


@pytest.fixture
def api(gate: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], list[urllib.request.Request]]:
    """The pod's API: answers, or raises, what it is told; the requests it has seen."""
    (tmp_path / "token").write_text("the-token", encoding="utf-8")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.8.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setattr(gate.ssl, "create_default_context", lambda cafile: cafile)
    seen: list[urllib.request.Request] = []

    def answering(answer: Any) -> list[urllib.request.Request]:
        def urlopen(request: urllib.request.Request, context: str, timeout: int) -> io.BytesIO:
            assert context == str(tmp_path / "ca.crt")
            assert timeout > 0
            seen.append(request)
            if isinstance(answer, Exception):
                raise answer
            return io.BytesIO(json.dumps(answer).encode())

        monkeypatch.setattr(gate.urllib.request, "urlopen", urlopen)
        return seen

    return answering


def test_the_api_is_asked_with_the_accounts_token(gate: Any, api: Any, tmp_path: Path) -> None:
    seen = api({"kind": "GatewayClass"})
    assert gate.get("/apis/x", tmp_path) == {"kind": "GatewayClass"}
    assert seen[0].full_url == "https://10.8.0.1:443/apis/x"
    assert seen[0].get_header("Authorization") == "Bearer the-token"


def test_an_object_that_is_not_there_is_empty_and_other_refusals_are_errors(
    gate: Any, api: Any, tmp_path: Path
) -> None:
    api(http_error(404))
    assert gate.get("/apis/x", tmp_path) == {}
    api(http_error(403))
    with pytest.raises(urllib.error.HTTPError):
        gate.get("/apis/x", tmp_path)


def test_rights_that_come_later_are_waited_for(gate: Any, capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()

    def fetch(path: str) -> dict[str, Any]:
        if clock.now < 10:
            raise http_error(403)
        return everything(path)

    assert gate.main(ARGUMENTS, fetch, clock, clock.sleep) == 0
    assert "403" in capsys.readouterr().out


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_the_job_asks_for_its_class_and_all_crds_and_outlives_its_budget(name: str) -> None:
    job = readiness.job(DEPLOYMENTS[name])["spec"]
    [container] = job["template"]["spec"]["containers"]
    arguments = container["args"]
    assert arguments[arguments.index("--gateway-class") + 1] == DEPLOYMENTS[name].settings.gateway.gateway_class_name
    assert [after for flag, after in pairwise(arguments) if flag == "--crd"] == readiness.required_crds(
        DEPLOYMENTS[name]
    )
    budget = int(arguments[arguments.index("--budget-seconds") + 1])
    assert budget <= readiness.BUDGET_SECONDS < job["activeDeadlineSeconds"]
    # The object that holds the program has the very file that the Job runs.
    assert container["command"][-1].rsplit("/", 1)[-1] in readiness.config_map()["data"]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_every_kind_that_gke_brings_is_waited_for_where_it_is_used(name: str) -> None:
    deployment = DEPLOYMENTS[name]
    waited = {crd.split(".", 1)[1] for crd in readiness.required_crds(deployment)}
    assert ("monitoring.googleapis.com" in waited) == deployment.settings.platform.monitoring
    assert ("secret-sync.gke.io" in waited) == deployment.needs_secret_sync
    assert set(facts()["crds"]) <= set(readiness.required_crds(deployment))


@pytest.mark.parametrize(("host", "url"), [("10.8.0.1", "https://10.8.0.1:443"), ("fd00::1", "https://[fd00::1]:443")])
def test_the_server_is_the_one_every_pod_is_told_of(
    gate: Any, monkeypatch: pytest.MonkeyPatch, host: str, url: str
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    assert gate.server() == url


def test_the_job_may_read_what_it_asks_for_and_nothing_else(gate: Any) -> None:
    [_, role, _] = readiness.rbac()
    allowed = {(group, kind) for rule in role["rules"] for group in rule["apiGroups"] for kind in rule["resources"]}
    asked: set[tuple[str, str]] = set()

    def fetch(path: str) -> dict[str, Any]:
        _, _, group, _, kind, _ = path.split("/")
        asked.add((group, kind))
        return {}

    gate.missing("gke-l7-rilb", ["a.example"], fetch)
    assert asked == allowed
    assert all(rule["verbs"] == ["get"] for rule in role["rules"])
