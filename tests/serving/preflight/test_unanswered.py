"""What keeps Google from answering is named, per check, with exit code 0, or 1 with --strict."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from cluster.errors import CannotAskError
from serving.checking.findings import Report, Verdict
from serving.google.credentials import default_credentials
from serving.preflight.hub import Hub, Repository
from tests.serving.google.emulator import Trouble, error
from tests.serving.preflight.conftest import Scene

UNKNOWN = Verdict.UNKNOWN
GOOGLE_CHECKS = {
    "project",
    "permissions",
    "apis",
    "location",
    "machine-types",
    "gke-version",
    "cluster-name",
    "quota",
    "disk-quota",
    "network",
}
# Checks of the plain environment whose questions go to one API.
COMPUTE_CHECKS = {"location", "machine-types", "network"}


def unasked(report: Report, failure: str) -> set[str]:
    """Checks that could not ask for this reason; none has failed."""
    assert [outcome for outcome in report.outcomes if outcome.verdict is Verdict.FAIL] == []
    return {outcome.check.name for outcome in report.outcomes if outcome.worst.failure == failure}


OFF = error(
    403,
    "Compute Engine API has not been used in project 1 before or it is disabled.",
    "SERVICE_DISABLED",
    "compute.googleapis.com",
    "PERMISSION_DENIED",
)
NOT_CONFIGURED = error(403, "Access Not Configured.", "accessNotConfigured")
DENIED = error(403, "Required 'compute.zones.get' permission for 'projects/example-project'", "forbidden")
BILLING = error(403, "This API method requires billing to be enabled.", "BILLING_DISABLED")
QUOTA_PROJECT = error(403, "The API requires a quota project, which is not set by default.", "SERVICE_DISABLED_NOT")
NO_PROJECT = error(404, "The resource 'projects/example-project' was not found", "notFound")
ANSWERS: list[tuple[Trouble, str]] = [
    (Trouble(error=OFF), "api-off"),
    (Trouble(error=NOT_CONFIGURED), "api-off"),
    (Trouble(error=DENIED), "not-allowed-to-ask"),
    (Trouble(error=BILLING), "billing-off"),
    (Trouble(error=QUOTA_PROJECT), "no-quota-project"),
    (Trouble(error=NO_PROJECT), "project-not-found"),
    (Trouble(error=error(429, "Quota exceeded.", "RATE_LIMIT_EXCEEDED")), "google-too-many-requests"),
    (Trouble(error=error(403, "Rate Limit Exceeded", "rateLimitExceeded")), "google-too-many-requests"),
    (Trouble(error=error(500, "Internal error.")), "google-error"),
    (Trouble(error=error(503, "The service is currently unavailable.")), "google-error"),
    (Trouble(error=error(400, "Invalid value.", "invalid")), "google-error"),
    (Trouble(error=error(401, "Invalid Credentials", "authError")), "credentials-refused"),
    (Trouble(raw=b"<html><body>Please log in</body></html>"), "google-answer-not-json"),
    (Trouble(raw=b'{"name": "europe-w'), "google-answer-not-json"),
    (Trouble(raw=b"[]"), "google-answer-not-json"),
]


@pytest.mark.parametrize(("trouble", "failure"), ANSWERS, ids=lambda value: value if isinstance(value, str) else "")
@pytest.mark.parametrize("api", ["compute", "cloudquotas"])
def test_an_answer_that_is_none_is_named_for_every_check_that_needs_it(
    scene: Scene, api: str, trouble: Trouble, failure: str
) -> None:
    if api == "cloudquotas" and trouble.raw == b"[]":
        pytest.skip("a list has no fields, which is an empty message for the client of Cloud Quotas")
    scene.google.troubles[(api, "*")] = trouble
    report = scene.ask()
    assert report.exit_code == 0
    assert unasked(report, failure) == ({"quota", "disk-quota"} if api == "cloudquotas" else COMPUTE_CHECKS)


def test_the_fix_of_an_api_that_is_off_turns_it_on(scene: Scene) -> None:
    scene.google.troubles[("compute", "*")] = Trouble(error=OFF)
    result = scene.only("network", UNKNOWN)
    assert result.fix == "Run:\ngcloud services enable compute.googleapis.com --project=example-project"


def test_a_project_that_does_not_exist_says_that_it_may_not_be_seen(scene: Scene) -> None:
    """Google answers 403 for a project that is not there, as for one that the caller may not see."""
    denied = error(403, "The caller does not have permission", "forbidden", word="PERMISSION_DENIED")
    for api in ("cloudresourcemanager", "serviceusage", "container", "cloudquotas"):
        scene.google.troubles[(api, "*")] = Trouble(error=denied)
    scene.google.troubles[("compute", "*")] = Trouble(error=NO_PROJECT)
    report = scene.ask()
    assert unasked(report, "project-not-found") == COMPUTE_CHECKS
    assert "project" in unasked(report, "not-allowed-to-ask")
    assert scene.ask(strict=True).exit_code == 1


def test_an_unanswered_check_does_not_hide_the_failure_of_another(scene: Scene) -> None:
    scene.google.troubles[("compute", "*")] = Trouble(error=DENIED)
    scene.fake.project_state = "DELETE_REQUESTED"
    report = scene.ask()
    assert report.exit_code == 1
    assert report.line.startswith("not ready: project: project-not-active: project example-project: DELETE_REQUESTED")
    assert report.line.endswith("; 3 of 18 checks could not ask")


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize(
    ("api", "method", "check"),
    [("compute", "networks.get", "network"), ("cloudquotas", "quotaInfos.get", "quota")],
)
def test_a_fault_that_passes_is_asked_through(scene: Scene, status: int, api: str, method: str, check: str) -> None:
    scene.retries = 2
    scene.google.troubles[(api, method)] = Trouble(error=error(status, "Try again."), times=1)
    assert [result.verdict for result in scene.results(check)] == [Verdict.PASS]
    assert scene.google.asked.count((api, method)) == 2


@pytest.mark.parametrize(
    ("api", "method", "check"),
    [("compute", "networks.get", "network"), ("cloudquotas", "quotaInfos.get", "quota")],
)
def test_an_answer_that_takes_longer_than_its_time_is_not_waited_for(
    scene: Scene, api: str, method: str, check: str
) -> None:
    scene.seconds = 0.5
    scene.google.troubles[(api, method)] = Trouble(pause=3)
    assert scene.only(check, UNKNOWN).failure == "google-no-answer-in-time"


def refuse() -> Any:
    raise CannotAskError("no-credentials", "none")


def test_without_credentials_every_check_says_so_and_strict_fails(scene: Scene) -> None:
    scene.credentials = refuse
    report = scene.ask()
    assert unasked(report, "no-credentials") == GOOGLE_CHECKS
    assert (report.exit_code, report.good) == (0, False)
    assert report.line == (
        "not known to be ready: project: no-credentials: project example-project: none; 10 of 18 checks could not ask"
    )
    assert scene.ask(strict=True).exit_code == 1
    assert scene.google.asked == []


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_offline_every_check_says_so(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = f"http://127.0.0.1:{closed_port()}/"
    endpoints = dict.fromkeys(scene.google.endpoints, nowhere)
    monkeypatch.setattr(type(scene.google), "endpoints", {**endpoints, "cloudquotas": nowhere.rstrip("/")})
    assert unasked(scene.ask(), "google-not-reachable") == GOOGLE_CHECKS


# Application default credentials


@pytest.fixture
def key_file(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes the file of a service account the default credentials; it gets tokens from a URL."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()

    def make(token_uri: str) -> None:
        path = tmp_path / "key.json"
        path.write_text(
            json.dumps(
                {
                    "type": "service_account",
                    "project_id": "example-project",
                    "private_key_id": "1",
                    "private_key": text,
                    "client_email": "ci@example-project.iam.gserviceaccount.com",
                    "token_uri": token_uri,
                }
            )
        )
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))

    return make


def found_by_default(scene: Scene) -> None:
    scene.credentials = lambda: default_credentials(scene.deployment.settings.project.id, 5)


def test_a_service_account_gets_one_token_for_all_checks(scene: Scene, key_file: Callable[[str], None]) -> None:
    key_file(f"{scene.google.url}/token")
    found_by_default(scene)
    assert scene.ask(strict=True).line == "ready"


def test_expired_credentials_are_named_with_the_way_to_new_ones(scene: Scene, key_file: Callable[[str], None]) -> None:
    key_file(f"{scene.google.url}/token")
    found_by_default(scene)
    scene.google.grants = False
    report = scene.ask()
    assert unasked(report, "credentials-refused") == GOOGLE_CHECKS
    assert "gcloud auth application-default login" in report.outcomes[0].worst.fix


def test_a_token_that_google_does_not_take_is_credentials_refused(scene: Scene) -> None:
    context = scene.context()
    scene.google.token = "another"
    from serving.preflight.run import preflight

    assert unasked(preflight(context), "credentials-refused") == GOOGLE_CHECKS


def test_credentials_that_can_not_reach_google_are_no_wrong_credentials(
    scene: Scene, key_file: Callable[[str], None]
) -> None:
    key_file(f"http://127.0.0.1:{closed_port()}/token")
    found_by_default(scene)
    assert unasked(scene.ask(), "google-not-reachable") == GOOGLE_CHECKS


@pytest.mark.parametrize("content", ["", "{}", "[]", "not json", '{"type": "service_account"}', None])
def test_a_file_that_holds_no_credentials_is_named(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    path = tmp_path / "key.json"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    found_by_default(scene)
    assert unasked(scene.ask(), "no-credentials") == GOOGLE_CHECKS


# The Hub

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"


@pytest.fixture
def gated(scene: Scene) -> Scene:
    from tests.serving.preflight.conftest import environment

    token = {"kubernetesSecret": {"name": "hf"}}
    model = {
        "name": "llama",
        "source": f"hf://{LLAMA}",
        "tpu": {"generation": "v6e", "topology": "1x1"},
        "huggingFaceToken": token,
    }
    scene.use(environment(models=[model]))
    scene.hub.gated[LLAMA] = "manual"
    return scene


def test_the_size_that_the_hub_counts_is_held_against_the_slice(scene: Scene) -> None:
    [model] = {m.settings.source.removeprefix("hf://") for m in scene.deployment.models}
    scene.hub.safetensors[model] = {"parameters": {"BF16": 3 * 2**30, "F8_E4M3": 2**30}}
    assert [r.verdict for r in scene.results("hugging-face")] == [Verdict.PASS]
    assert "7.0 GiB of weights" in json.dumps(scene.ask().as_json())
    scene.hub.safetensors[model] = {"parameters": {"BF16": 10**12}}
    assert scene.only("hugging-face", Verdict.FAIL).failure == "hub-weights-too-large"
    scene.hub.safetensors[model] = {"parameters": {"strange": 10**12}}
    assert [r.verdict for r in scene.results("hugging-face")] == [Verdict.PASS], "what can't be counted is not judged"


def test_a_gated_model_needs_a_token_that_may_load_it(gated: Scene) -> None:
    assert gated.only("hugging-face", UNKNOWN).failure == "hub-token-not-given"
    gated.token = "secret-token"
    gated.hub.known_tokens = {"secret-token"}
    result = gated.only("hugging-face", Verdict.FAIL)
    assert result.failure == "hub-access-missing"
    assert f"https://huggingface.co/{LLAMA}" in result.fix
    assert "secret-token" not in json.dumps(gated.ask().as_json())
    gated.hub.tokens[LLAMA] = {"secret-token"}
    assert [result.verdict for result in gated.results("hugging-face")] == [Verdict.PASS]


def test_a_model_that_the_hub_does_not_show_fails(scene: Scene) -> None:
    scene.hub.gated = {}
    assert scene.only("hugging-face", Verdict.FAIL).failure == "hub-model-not-found"


def test_a_token_that_is_none_any_more_hides_no_open_model_and_opens_no_gated_one(gated: Scene) -> None:
    gated.token = "revoked"
    assert gated.only("hugging-face", Verdict.FAIL).failure == "hub-access-missing"
    gated.hub.gated[LLAMA] = False
    assert [result.verdict for result in gated.results("hugging-face")] == [Verdict.PASS]


def test_a_private_model_is_seen_with_a_token_only(gated: Scene) -> None:
    gated.hub.gated[LLAMA], gated.hub.private, gated.hub.known_tokens = False, {LLAMA: {"mine"}}, {"mine"}
    assert gated.only("hugging-face", Verdict.FAIL).failure == "hub-model-not-found"
    gated.token = "mine"
    assert [result.verdict for result in gated.results("hugging-face")] == [Verdict.PASS]


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "caf\xe9"])
def test_what_can_not_be_a_token_is_none_and_is_not_repeated(
    gated: Scene, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setenv("HF_ENDPOINT", gated.hub.url)
    hub = Hub.of_environment(5)
    assert not hub.has_token
    assert hub.find(LLAMA) == Repository(LLAMA, "manual")


@pytest.mark.parametrize("endpoint", ["nowhere", "ftp://x", "http://[", "http://127.0.0.1:1"])
def test_an_address_that_is_no_hub_is_named(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(CannotAskError) as raised:
        Hub.of_environment(5).find(LLAMA)
    assert raised.value.failure == "hub-not-reachable"


@pytest.mark.parametrize(("status", "body"), [(500, "oops"), (200, "<html>"), (200, "[]"), (429, "{}")])
def test_a_hub_that_does_not_answer_is_named(scene: Scene, status: int, body: str) -> None:
    scene.hub.status, scene.hub.body = status, body
    assert scene.only("hugging-face", UNKNOWN).failure == "hub-not-reachable"
