"""`python -m policy FILE`: the same verdict over an exported state, without Pulumi."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from checks.objects import Resource
from settings.document import ROOT
from tests.checks.objects.cases import all_cases, changed
from tests.commands import Done, run
from tests.policy.engine import as_resources, field_objects

SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:abc"}
PREFIX = "urn:pulumi:dev::tpu-serving::"


def exported(resources: list[Resource]) -> dict[str, Any]:
    """What `pulumi stack export` writes of a stack."""
    entries: list[dict[str, Any]] = [
        {"urn": f"{PREFIX}pulumi:pulumi:Stack::s", "custom": False, "type": "pulumi:pulumi:Stack"},
        {"urn": f"{PREFIX}pulumi:providers:gcp::google", "custom": True, "type": "pulumi:providers:gcp", "inputs": {}},
    ]
    for index, r in enumerate(resources):
        before = [e["urn"] for e in entries[2:]]
        entries.append(
            {
                "urn": f"{PREFIX}{r.type}::{r.key or index}",
                "custom": True,
                "type": r.type,
                "inputs": r.inputs,
                "dependencies": before,
                "customTimeouts": {"create": r.create_seconds or 0},
            }
        )
    return {"version": 3, "deployment": {"manifest": {}, "resources": entries}}


def judge(state: Any, folder: Path, *options: str) -> Done:
    path = folder / "state.json"
    path.write_text(state if isinstance(state, str) else json.dumps(state))
    return run("policy", str(path), *options)


def rules(done: Done) -> set[str]:
    return {finding["rule"] for finding in done.document["refusals"]}


def test_the_field_reports_objects_are_refused_by_the_same_rules(tmp_path: Path) -> None:
    for entry in field_objects():
        done = judge(exported(as_resources(entry["objects"])), tmp_path, "--format", "json")
        assert rules(done) == {name.removesuffix("-stack") for name in entry["refused"]}, entry["what"]
        assert done.code == (1 if entry["refused"] else 0)


def test_the_same_findings_as_of_the_resources_themselves(tmp_path: Path) -> None:
    for case in [case for case in all_cases(refused=True) if case.rule in {"GW07", "KS03", "KS11", "TP08"}]:
        if "startup" not in case.data:
            assert rules(judge(exported(case.resources()), tmp_path, "--format", "json")) == {case.rule}


def test_a_good_state_is_content_and_a_warning_is_no_refusal(tmp_path: Path) -> None:
    done = judge(exported(changed({})), tmp_path)
    assert (done.code, done.err) == (0, "")
    warned = judge(
        exported(changed({"set": {"cluster inputs deletionProtection": False}})), tmp_path, "--format", "json"
    )
    data = warned.document
    assert warned.code == 0
    assert [finding["rule"] for finding in data["warnings"]] == ["CL05"]
    assert data["refusals"] == []


def test_a_refusal_in_words_names_rule_place_and_fix(tmp_path: Path) -> None:
    done = judge(exported(as_resources(field_objects()[0]["objects"])), tmp_path)
    assert done.code == 1
    for part in (
        "GW01  Gateway opendatahub/inference-gateway: spec.gatewayClassName",
        "Fix: ",
        "1 rejected",
    ):
        assert part in done.out


def test_secrets_are_not_looked_into_and_what_is_deleted_or_foreign_is_not_judged(tmp_path: Path) -> None:
    state = exported(
        changed({"set": {"model spec template containers 0 env": [{"name": "HF_TOKEN", "value": SECRET}]}})
    )
    gateway = {"spec": {"gatewayClassName": "other"}}
    kind = "kubernetes:gateway.networking.k8s.io/v1:Gateway"
    for mark in ("delete", "external"):
        entry = {"urn": f"{PREFIX}{kind}::{mark}", "custom": True, "type": kind, "inputs": gateway, mark: True}
        state["deployment"]["resources"].append(entry)
    assert judge(state, tmp_path).code == 0


def test_an_environment_brings_its_overrides_and_limits(tmp_path: Path) -> None:
    short = changed({"set": {"poolBackend spec targetRef name": "qwen2-5-3b-inference-pool"}, "remove": ["route"]})
    state = exported([r for r in short if r.key == "poolBackend"])
    state["deployment"]["resources"][-1]["inputs"]["spec"]["default"]["timeoutSec"] = 31
    assert judge(state, tmp_path).code == 0
    assert rules(judge(state, tmp_path, "--environment", "dev", "--format", "json")) == {"BP01"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"deployment": {"resources": [{}]}}', "\x00"])
def test_a_wrong_file_exits_with_2(text: str, tmp_path: Path) -> None:
    done = judge(text, tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "state.json: " in done.err


@pytest.mark.parametrize("arguments", [["nowhere.json"], ["."], [], ["--format", "pdf", "x"]])
def test_a_wrong_call_exits_with_2(arguments: list[str]) -> None:
    assert run("policy", *arguments).code == 2


def test_neither_pulumi_nor_a_provider_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(json.dumps(exported(changed({}))))
    code = (
        "import sys\nsys.argv = ['policy', sys.argv[1]]\nfrom policy.command import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print('HEAVY', sorted(m for m in sys.modules if m.split('.')[0] in {'pulumi', 'pulumi_policy', 'grpc'}))"
    )
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "HEAVY []" in done.stdout, done.stderr


@pytest.mark.parametrize("redirect", [">/dev/full", ">&-"])
def test_output_that_cannot_be_written_is_one_line_and_exit_code_1(redirect: str, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(json.dumps(exported(changed({}))))
    command = ["bash", "-c", f'exec "$@" {redirect}', "bash", sys.executable, "-m", "policy", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
