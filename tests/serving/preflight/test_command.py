"""`serving preflight` as a person calls it: what is printed, exit codes, streams, formats."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from serving.checking.findings import Report
from serving.commands import preflight as command
from tests.serving.calling import caller, wrong_call
from tests.serving.google.emulator import Trouble, error
from tests.serving.preflight.conftest import Scene

ROOT = Path(__file__).resolve().parents[3]
FAMILY = "TPUS-PER-TPU-FAMILY-per-project-region"


@pytest.fixture
def call(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(command, "context", lambda _deployment, _seconds: scene.context())
    monkeypatch.setenv("COLUMNS", "100")
    return scene


run = caller(command.preflight)


def no_quota(scene: Scene) -> None:
    scene.fake.quotas[FAMILY] = [({"region": "europe-west4", "tpu_family": "CT6E"}, 0, ["europe-west4"])]


def test_a_ready_project_is_one_table_and_its_last_line(call: Scene) -> None:
    done = run("dev")
    assert done.exit_code == 0
    # A busy machine may be told what is still asked.
    assert [line for line in done.stderr.splitlines() if "still asking" not in line] == []
    lines = done.stdout.strip().splitlines()
    assert lines[0] == "dev: project example-project"
    assert lines[-1] == "ready"
    assert max(map(len, lines)) <= 100
    assert "Fix:" not in done.stdout


def test_a_failure_says_needed_found_cause_fix_and_runbook_in_100_columns(call: Scene) -> None:
    no_quota(call)
    done = run("dev")
    assert done.exit_code == 1
    for part in (
        f"fail quota: {FAMILY}: v6e chips in europe-west4\n",
        "        Needed:  8 chips (4 for the replicas, 4 for an update)\n",
        "        Found:   0 chips\n",
        "        Cause:   TPU quota of a new project is 0 or small",
        f"--quota-id={FAMILY} \\\n",
        "        Runbook: docs/runbook/preflight.md#quota-too-small\n",
    ):
        assert part in done.stdout
    *above, verdict = done.stdout.strip().splitlines()
    assert max(map(len, above)) <= 100
    assert verdict.startswith(f"not ready: quota: quota-too-small: {FAMILY}")


def test_what_many_checks_meet_is_told_once(call: Scene) -> None:
    call.google.troubles[("compute", "*")] = Trouble(error=error(403, "no", "BILLING_DISABLED"))
    done = run("dev")
    assert done.exit_code == 0
    assert done.stdout.strip().splitlines()[-1].endswith("; 3 of 18 checks could not ask")
    assert run("dev", "--strict").exit_code == 1


def test_json_is_one_document_and_says_the_same(call: Scene) -> None:
    no_quota(call)
    done = run("dev", "--format", "json")
    assert done.exit_code == 1
    data = json.loads(done.stdout)
    assert (data["status"], data["environment"], data["lookedAt"]) == ("fail", "dev", "project example-project")
    [quota] = [item for item in data["checks"] if item["check"] == "quota"]
    assert quota["sources"]
    [result] = quota["results"]
    assert (result["verdict"], result["needed"], result["message"]) == (
        "fail",
        "8 chips (4 for the replicas, 4 for an update)",
        "0 chips",
    )
    assert result["fix"].startswith("Ask for more")
    assert result["runbook"] == "docs/runbook/preflight.md#quota-too-small"


WRONG: list[tuple[list[str], str]] = [
    (["dev", "--timeout", "soon"], "not a duration"),
    (["dev", "--timeout", "0"], "--timeout must be more than 0"),
    (["no-such-environment"], "no environment"),
    (["dev", "--no-such-option"], "No such option"),
    (["dev", "--format", "xml"], "Invalid value"),
    ([], "Missing argument"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG)
def test_a_wrong_call_ends_with_2_and_says_why(call: Scene, arguments: list[str], words: str) -> None:
    assert words in wrong_call(run, *arguments)
    assert call.google.asked == []


def test_a_refused_file_is_refused_before_anything_is_asked(call: Scene, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("config:\n  tpu-serving:project: {id: example-project}\n")
    assert "location" in wrong_call(run, str(path))
    assert call.google.asked == []


def test_a_slow_answer_is_told_on_standard_error_while_it_is_waited_for(
    call: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.import_module("serving.preflight.run"), "_TELL_SECONDS", 0.05)
    call.google.troubles[("compute", "networks.get")] = Trouble(pause=3)
    done = run("dev")
    assert done.exit_code == 0
    assert re.search(r"still asking .*\bnetwork\b", done.stderr)
    assert "still asking" not in done.stdout


def test_without_credentials_and_offline_the_process_says_so_quickly_and_leaves_standard_error_empty(
    tmp_path: Path,
) -> None:
    """The real command, with nothing to log in with and no way out."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "NO_GCE_CHECK": "true",
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "COLUMNS": "100",
    }
    done = subprocess.run(
        [sys.executable, "-m", "serving", "preflight", "dev"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1].endswith("; 11 of 18 checks could not ask")
    assert "gcloud auth application-default login" in done.stdout
    assert [line for line in done.stderr.splitlines() if "still asking" not in line] == []


def test_nothing_of_google_is_imported_for_the_help() -> None:
    code = (
        "import sys\nsys.argv = ['serving', 'preflight', '--help']\nfrom serving.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'googleapiclient', 'httplib2', 'httpx', 'grpc', 'rich'}))\n"
        "print('google.auth' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip().splitlines()[-2:] == ["[]", "False"]
    assert "python -m serving preflight dev" in done.stdout


def test_warnings_never_fail_not_even_strictly(call: Scene) -> None:
    call.fake.networks["tpu-serving-dev"] = {"name": "tpu-serving-dev"}
    report: Report = call.ask(strict=True)
    assert (report.exit_code, report.line) == (0, "ready")
