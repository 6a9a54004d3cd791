"""The workflows: valid, pinned, least permissions, no secret, and no shell but our own targets."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from check_jsonschema import main as check_jsonschema
from click.testing import CliRunner

from settings.document import ROOT
from tests import commands as called

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yaml"))
FORK_PATH = ROOT / ".github/workflows/pull-request.yaml"
DEPLOY = ROOT / ".github/workflows/deploy.yaml"
ACTION = ROOT / ".github/actions/cloud/action.yaml"
PIPELINES = [*WORKFLOWS, ACTION]
# Started by a pull request, or on behalf of one: what a stranger may set in motion.
OF_PULL_REQUESTS = {"pull-request.yaml", "comment.yaml", "preview.yaml"}
WRITES = {"comment.yaml": {"pull-requests"}, "nightly.yaml": {"id-token", "issues"}}
CLOUD = {"preview.yaml", "deploy.yaml", "deploy-environment.yaml", "nightly.yaml"}
BIN = Path(sys.executable).parent


def read(path: Path) -> dict[Any, Any]:
    # YAML 1.1 reads the key `on` as true.
    data: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return data


def jobs(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from read(path).get("jobs", {}).items()


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for _, job in jobs(path):
        yield from job.get("steps", [])
    yield from read(path).get("runs", {}).get("steps", [])


def commands(path: Path) -> list[str]:
    """What the steps of a workflow run, in order."""
    return [step["run"] for step in steps(path) if "run" in step]


def follow_the_schema(name: str, *paths: Path) -> None:
    """Every file is what a published schema describes."""
    done = CliRunner().invoke(check_jsonschema, ["--builtin-schema", f"vendor.{name}", *map(str, paths)])
    assert done.exit_code == 0, done.output


def test_pipelines_follow_the_published_schemas() -> None:
    follow_the_schema("github-workflows", *WORKFLOWS)
    follow_the_schema("github-actions", ACTION)


def test_the_audit_of_workflows_finds_nothing() -> None:
    command = [str(BIN / "zizmor"), "--offline", "--no-progress", "--quiet", str(ROOT / ".github")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_audit_notices_an_injection(tmp_path: Path) -> None:
    folder = tmp_path / ".github/workflows"
    folder.mkdir(parents=True)
    bad = FORK_PATH.read_text(encoding="utf-8")
    (folder / "bad.yaml").write_text(bad.replace("make setup", "make ${{ github.head_ref }}"), encoding="utf-8")
    command = [str(BIN / "zizmor"), "--offline", "--no-progress", "--quiet", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "template-injection" in done.stdout


@pytest.mark.parametrize("path", PIPELINES, ids=lambda p: p.name)
def test_every_action_is_pinned_by_commit_with_its_tag_beside_it(path: Path) -> None:
    for line in path.read_text(encoding="utf-8").splitlines():
        if used := re.search(r"uses: (.*)", line):
            pinned = re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used[1])
            assert pinned or used[1].startswith("./.github/"), line


def test_one_action_has_one_commit_everywhere() -> None:
    found: dict[str, set[str]] = {}
    for path in PIPELINES:
        for name, commit in re.findall(r"uses: ([\w./-]+)@(\S+ # \S+)", path.read_text(encoding="utf-8")):
            found.setdefault(name, set()).add(commit)
    assert {name: commits for name, commits in found.items() if len(commits) > 1} == {}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_permissions_are_none_but_for_what_a_job_names(path: Path) -> None:
    assert read(path)["permissions"] == {}
    granted = {name for _, job in jobs(path) for name, level in job["permissions"].items() if level == "write"}
    assert granted <= WRITES.get(path.name, {"id-token"} if path.name in CLOUD else set())


@pytest.mark.parametrize("path", PIPELINES, ids=lambda p: p.name)
def test_no_pipeline_uses_a_secret_or_a_key(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\bsecrets\b|credentials_json|inherit", text)


def test_nothing_of_a_pull_request_runs_with_more_than_reading() -> None:
    for path in WORKFLOWS:
        assert "pull_request_target" not in path.read_text(encoding="utf-8")
        starts = read(path)[True]
        assert ("pull_request" in starts or "workflow_run" in starts) == (path.name in OF_PULL_REQUESTS)
    [(_, job)] = jobs(ROOT / ".github/workflows/preview.yaml")
    assert job["if"].startswith("github.event.pull_request.head.repo.full_name == github.repository && ")
    checkouts = [s for s in steps(ROOT / ".github/workflows/comment.yaml") if "checkout" in s.get("uses", "")]
    assert all("ref" not in step["with"] for step in checkouts)


@pytest.mark.parametrize("path", PIPELINES, ids=lambda p: p.name)
def test_no_checkout_leaves_its_token_behind(path: Path) -> None:
    for step in steps(path):
        if "actions/checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False


MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(" ".join(re.findall(r"^([a-z -]+):", MAKEFILE, flags=re.MULTILINE)).split())


@pytest.mark.parametrize("path", PIPELINES, ids=lambda p: p.name)
def test_steps_run_nothing_but_our_own_targets(path: Path) -> None:
    for run in commands(path):
        call = re.fullmatch(r'make ([a-z-]+)((?: [A-Z]+=(?:[\w.^-]+|"\$[A-Z_]+[\w./-]*"))*)', run)
        assert call and call[1] in TARGETS, run


def test_every_environment_is_previewed_looked_at_and_deployed() -> None:
    names = {path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml")}
    for name in ("preview.yaml", "nightly.yaml"):
        [(_, job)] = jobs(ROOT / ".github/workflows" / name)
        assert set(job["strategy"]["matrix"]["environment"]) == names
    deployed = [(name, job["with"]["environment"], job["needs"]) for name, job in jobs(DEPLOY) if "with" in job]
    assert deployed == [("dev", "dev", "test"), ("staging", "staging", "dev"), ("prod", "prod", "staging")]
    assert {name for name, _, _ in deployed} == names


def test_the_pipelines_cli_is_the_rehearsals() -> None:
    [step] = [step for step in steps(ACTION) if "pulumi-version" in step.get("with", {})]
    assert f"github.com/pulumi/pulumi/pkg/v3 v{step['with']['pulumi-version']} " in (
        ROOT / "rehearsal/assets/pulumi/go.mod"
    ).read_text(encoding="utf-8")


def examples() -> list[tuple[str, str, str]]:
    """The pipelines of other systems in docs/ci.md: schema, name, text."""
    text = (ROOT / "docs/ci.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(# ([\w.-]+).*\n(?:.*\n)*?)```", text)
    return [("gitlab-ci" if "gitlab" in name else "cloudbuild", name, block) for block, name in blocks]


def test_the_examples_of_other_systems_follow_their_schemas_and_call_our_targets(tmp_path: Path) -> None:
    found = examples()
    assert [kind for kind, _, _ in found] == ["gitlab-ci", "cloudbuild", "cloudbuild"]
    for kind, name, block in found:
        path = tmp_path / name
        path.write_text(block, encoding="utf-8")
        follow_the_schema(kind, path)
        called = re.findall(r"(?:- make |args: \[)([a-z-]+)", block)
        assert called and set(called) <= TARGETS


def test_gitlabs_token_is_in_the_file_that_the_configuration_names_before_anything_runs(tmp_path: Path) -> None:
    [block] = [block for kind, _, block in examples() if kind == "gitlab-ci"]
    cloud = yaml.safe_load(block)[".cloud"]
    [named] = re.findall(r"--credential-source-file=([\w/-]+)", block)
    [command] = cloud["before_script"]
    [variable] = cloud["id_tokens"]
    file = tmp_path / "token"
    script = command.replace(named, str(file))
    assert str(file) in script
    subprocess.run(["sh", "-c", script], env={**os.environ, variable: "header.body.signature"}, check=True)
    assert (file.read_text(encoding="utf-8"), file.stat().st_mode & 0o077) == ("header.body.signature", 0)


def test_the_nights_account_may_read_secrets_where_there_are_some() -> None:
    """Every namespace of a Helm release, and of a Secret that the program makes, is in the commands of docs/ci.md."""
    [listed] = re.findall(r"for namespace in ([\w -]+); do", (ROOT / "docs/ci.md").read_text(encoding="utf-8"))
    found = set()
    for environment in ("prod", "examples/multi-host.yaml", "examples/gated-model.yaml"):
        for resource in called.run("serving", "plan", environment, "--format", "json").document["resources"]:
            if resource["type"] in ("kubernetes:helm.sh/v3:Release", "kubernetes:core/v1:Secret"):
                inputs = resource["inputs"]
                found.add(inputs.get("namespace") or inputs["metadata"]["namespace"])
    assert set(listed.split()) == found


def test_a_forks_path_runs_without_network_after_set_up(tmp_path: Path) -> None:
    """Set-up is this run's own. `make test` is this run itself; what it runs of other programs is tested beside them."""
    unshare = shutil.which("unshare")
    isolated = [unshare or "unshare", "--net", "--map-root-user"]
    works = (
        unshare is not None and subprocess.run([*isolated, "true"], capture_output=True, check=False).returncode == 0
    )
    if not works:
        pytest.skip("no network namespaces here: `unshare --net --map-root-user true` fails")
    assert commands(FORK_PATH) == [
        "make setup",
        "make test REHEARSAL=off",
        "make setup",
        "make review AGAINST=HEAD^1 FORMAT=markdown OUTPUT=review.md",
    ]
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: there is nothing to review against")
    output = tmp_path / "review.md"
    for command in (
        ["make", "review", "AGAINST=HEAD", "FORMAT=markdown", f"OUTPUT={output}"],
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:xdist",
            "-p",
            "no:cacheprovider",
            "tests/settings/test_derive.py",
        ],
        [str(BIN / "ruff"), "check", "--no-cache", "."],
    ):
        done = subprocess.run([*isolated, *command], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "3 planned" in output.read_text(encoding="utf-8") or "of 3" in output.read_text(encoding="utf-8")
