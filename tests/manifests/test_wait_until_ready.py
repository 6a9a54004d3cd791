"""The readiness Jobs' program, with an API and a clock of our own."""

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

COMMON = ["--budget-seconds", "60", "--advice", "Is it on?", "--service-account", readiness.SERVICE_ACCOUNT_FOLDER]
GATEWAY = ["--gateway-class", "gke-l7-rilb", "--crd", "a.example", "--crd", "b.example", *COMMON]
WEBHOOKS = ["--accepts", "/apis/x/v1/namespaces/n/things", '{"kind": "Thing"}', *COMMON]


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)

    def found(self, at: float) -> bool:
        """Whether it ended with the first look after `at`."""
        return at <= self.now < at + self.slept[-1]


class FakeApi:
    """Answers from two functions; by default everything is there."""

    def __init__(self, get: Callable[[str], Any] | None = None, refused: Callable[[str], str] = lambda _: "") -> None:
        self._get, self._refused = get or everything, refused

    def get(self, path: str) -> Any:
        return self._get(path)

    def refused(self, path: str, body: dict[str, Any]) -> str:
        assert body == {"kind": "Thing"}
        return self._refused(path)


def answers(kind: str, ready: bool) -> dict[str, Any]:
    """An object whose condition holds or not."""
    return {"status": {"conditions": [{"type": kind, "status": "True" if ready else "False"}]}}


def everything(path: str) -> dict[str, Any]:
    return answers("Accepted" if "gatewayclasses" in path else "Established", True)


@pytest.fixture
def script() -> Any:
    spec = importlib.util.spec_from_file_location("script", ROOT / "manifests/scripts/wait_until_ready.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("arguments", [GATEWAY, WEBHOOKS])
def test_what_is_there_at_once_costs_no_sleep(script: Any, arguments: list[str]) -> None:
    clock = Clock()
    assert script.main(arguments, FakeApi(), clock, clock.sleep) == 0
    assert clock.now == 0


@pytest.mark.parametrize("late", ["gatewayclasses/gke-l7-rilb", "a.example", "b.example"])
def test_each_part_alone_is_waited_for_and_named(script: Any, late: str, capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()

    def get(path: str) -> dict[str, Any]:
        return {} if path.endswith(late) and clock.now < 30 else everything(path)

    assert script.main(GATEWAY, FakeApi(get), clock, clock.sleep) == 0
    assert clock.found(30)
    said = capsys.readouterr().out.splitlines()
    assert late.rsplit("/", 1)[-1] in said[0]
    assert said[-1] == f"ready after {int(clock.now)} s"
    assert clock.slept == [0.5, 1, 2, 4, *[5] * (len(clock.slept) - 4)]


def test_an_object_is_waited_for_until_it_can_be_read(script: Any, capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    api = FakeApi(lambda _: {} if clock.now < 10 else {"kind": "Thing"})
    assert script.main(["--exists", "/apis/x/v1/things/one", *COMMON], api, clock, clock.sleep) == 0
    assert clock.found(10)
    assert "waiting for one there" in capsys.readouterr().out


def test_webhooks_are_waited_for_with_the_reason(script: Any, capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    api = FakeApi(refused=lambda _: "500, x509: unknown authority" if clock.now < 15 else "")
    assert script.main(WEBHOOKS, api, clock, clock.sleep) == 0
    assert clock.found(15)
    assert "waiting for things accepted (500, x509: unknown authority)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "api"), [(GATEWAY, FakeApi(lambda _: {})), (WEBHOOKS, FakeApi(refused=lambda _: "500, no"))]
)
def test_the_budget_ends_the_wait_with_advice(
    script: Any, arguments: list[str], api: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()
    assert script.main(arguments, api, clock, clock.sleep) == 1
    assert clock.found(60)
    assert capsys.readouterr().out.splitlines()[-1] == "Is it on?"


@pytest.mark.parametrize(
    "status",
    [{}, {"conditions": None}, {"conditions": []}, {"conditions": [{"type": "Accepted", "status": "Unknown"}]}],
)
def test_a_class_that_is_only_registered_is_not_ready(script: Any, status: dict[str, Any]) -> None:
    assert not script.has_condition({"status": status}, "Accepted")


def http_error(code: int, message: str = "") -> urllib.error.HTTPError:
    body = io.BytesIO(json.dumps({"message": message}).encode())
    return urllib.error.HTTPError("https://kubernetes.default.svc/x", code, "", Message(), body)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError("refused"),
        TimeoutError("slow"),
        urllib.error.URLError("no route"),
        json.JSONDecodeError("cut short", "{", 1),
        http.client.IncompleteRead(b"{"),
        http_error(403),  # rights that come later
    ],
)
def test_an_api_error_is_waited_out(script: Any, error: Exception) -> None:
    clock = Clock()

    def get(path: str) -> dict[str, Any]:
        if clock.now < 20:
            raise error
        return everything(path)

    assert script.main(GATEWAY, FakeApi(get), clock, clock.sleep) == 0
    assert clock.found(20)


@pytest.fixture
def pod(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Any], tuple[Any, list[urllib.request.Request]]]:
    """The pod's API, which answers or raises what it is told, and the requests it has seen."""
    (tmp_path / "token").write_text("the-token", encoding="utf-8")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.8.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setattr(script.ssl, "create_default_context", lambda cafile: cafile)

    def answering(answer: Any) -> tuple[Any, list[urllib.request.Request]]:
        seen: list[urllib.request.Request] = []

        def urlopen(request: urllib.request.Request, context: str, timeout: int) -> io.BytesIO:
            assert context == str(tmp_path / "ca.crt")
            assert timeout > 0
            seen.append(request)
            if isinstance(answer, Exception):
                raise answer
            return io.BytesIO(json.dumps(answer).encode())

        monkeypatch.setattr(script.urllib.request, "urlopen", urlopen)
        return script.Api(tmp_path), seen

    return answering


def test_the_api_is_asked_with_the_accounts_token(pod: Any) -> None:
    api, seen = pod({"kind": "GatewayClass"})
    assert api.get("/apis/x") == {"kind": "GatewayClass"}
    assert seen[0].full_url == "https://10.8.0.1:443/apis/x"
    assert seen[0].get_header("Authorization") == "Bearer the-token"


def test_an_object_that_is_not_there_is_empty_and_other_refusals_are_errors(pod: Any) -> None:
    assert pod(http_error(404))[0].get("/apis/x") == {}
    with pytest.raises(urllib.error.HTTPError):
        pod(http_error(403))[0].get("/apis/x")


def test_a_trial_is_a_dry_run_and_leaves_nothing(pod: Any) -> None:
    api, seen = pod({"kind": "Thing"})
    assert api.refused("/apis/x/v1/namespaces/n/things", {"kind": "Thing"}) == ""
    assert (seen[0].get_method(), seen[0].full_url) == (
        "POST",
        "https://10.8.0.1:443/apis/x/v1/namespaces/n/things?dryRun=All",
    )
    assert json.loads(seen[0].data) == {"kind": "Thing"}


@pytest.mark.parametrize(
    ("error", "ready"),
    [
        (http_error(400, 'admission webhook "v.kserve" denied the request: no such preset'), True),
        (http_error(403, 'admission webhook "v.kserve" denied the request: no'), True),
        (http_error(403, 'things is forbidden: User "x" cannot create resource'), False),
        (http_error(404, "the server could not find the requested resource"), False),
        (http_error(500, 'failed calling webhook "v.kserve": x509: certificate signed by unknown authority'), False),
    ],
)
def test_only_a_webhook_that_answers_counts_as_there(pod: Any, error: Exception, ready: bool) -> None:
    assert (pod(error)[0].refused("/apis/x", {}) == "") == ready


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_the_job_asks_for_its_class_and_all_crds_and_outlives_its_budget(name: str) -> None:
    job = readiness.gateway_job(DEPLOYMENTS[name])["spec"]
    [container] = job["template"]["spec"]["containers"]
    arguments = container["args"]
    assert arguments[arguments.index("--gateway-class") + 1] == DEPLOYMENTS[name].settings.gateway.gateway_class_name
    assert [after for flag, after in pairwise(arguments) if flag == "--crd"] == readiness.required_crds(
        DEPLOYMENTS[name]
    )
    budget = int(arguments[arguments.index("--budget-seconds") + 1])
    assert budget <= readiness.GATEWAY_BUDGET_SECONDS < job["activeDeadlineSeconds"]
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
    script: Any, monkeypatch: pytest.MonkeyPatch, host: str, url: str
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    assert script.server() == url


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_kserves_job_tries_both_of_its_kinds_where_it_may_create_them(name: str) -> None:
    job = readiness.kserve_job(DEPLOYMENTS[name])
    arguments = job["spec"]["template"]["spec"]["containers"][0]["args"]
    tried = [json.loads(text) for text in arguments if text.startswith("{")]
    paths = [path for flag, path in pairwise(arguments) if flag == "--accepts"]
    assert [obj["kind"] for obj in tried] == ["LLMInferenceService", "LLMInferenceServiceConfig"]
    [rule] = readiness.rbac()[3]["rules"]
    assert rule["resources"] == [path.rsplit("/", 1)[-1] for path in paths]
    assert all(f"/namespaces/{obj['metadata']['namespace']}/" in path for obj, path in zip(tried, paths, strict=True))
    assert job["spec"]["activeDeadlineSeconds"] > readiness.kserve_budget_seconds(DEPLOYMENTS[name])


def test_the_jobs_may_read_what_they_ask_for_and_nothing_else(script: Any) -> None:
    [_, role, *_] = readiness.rbac()
    allowed = {(group, kind) for rule in role["rules"] for group in rule["apiGroups"] for kind in rule["resources"]}
    asked: set[tuple[str, str]] = set()

    def get(path: str) -> dict[str, Any]:
        _, _, group, *_, kind, _ = path.split("/")
        asked.add((group, kind))
        return {}

    kserve = readiness.kserve_job(DEPLOYMENTS["existing-platform.yaml"])
    arguments = kserve["spec"]["template"]["spec"]["containers"][0]["args"]
    for asked_for in (GATEWAY, arguments[arguments.index("--exists") :]):
        script.missing(script.parse(asked_for), FakeApi(get))
    assert asked == allowed
    assert all(rule["verbs"] == ["get"] for rule in role["rules"])
