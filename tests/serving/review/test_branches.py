"""Real branches of a real repository: what the comment of each pull request says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from serving.plan.review.contract import Review
from tests.commands import run
from tests.serving.review.conftest import (
    A_COMMENT,
    ADDS_A_MODEL,
    BASE,
    BRANCHES,
    EXTERNAL_GATEWAY,
    OTHER_RANGE,
    Repository,
    appended,
    replaced,
)

SAFE = "nothing restarts, nothing is replaced"


def seen(comment: str) -> list[str]:
    """The lines of a comment that are not folded away."""
    return [line for line in comment.split("<details>")[0].splitlines() if line]


def test_a_branch_that_adds_a_model(repository: Repository) -> None:
    comment = repository.comment_on("model", ADDS_A_MODEL)
    lines = seen(comment)
    assert lines[0] == "**1 of 3 environments changes.**"
    assert lines[1] == f"### `dev`: adds 4 v6e chips in europe-west4-a, +$285/day; adds model qwen3-8b; {SAFE}"
    assert "[!CAUTION]" not in comment and "RESTARTS" not in comment
    assert "- v6e chips (onDemand) in europe-west4-a: 4 -> 8" in lines
    assert "No change: `prod`, `staging`." in comment


def test_a_branch_that_makes_the_gateway_external(repository: Repository) -> None:
    comment = repository.comment_on("external", EXTERNAL_GATEWAY)
    lines = seen(comment)
    assert lines[1].startswith("### `dev`: makes the gateway EXTERNAL (the internet); BREAKS CLIENTS of qwen2-5-3b")
    assert SAFE not in lines[1]
    assert "- exposure: internal -> external" in lines[lines.index("**Gateway, clients notice**") :]
    assert "- authentication: none -> security policy partners" in lines


def test_a_branch_that_changes_the_network_range_is_told_that_the_cluster_would_be_replaced(
    repository: Repository,
) -> None:
    comment = repository.comment_on("range", OTHER_RANGE)
    lines = seen(comment)
    assert lines[1].startswith("### `dev`: REPLACES cluster tpu-serving-dev (and 2 node pools, 1 subnet)")
    assert lines[2] == "> [!CAUTION]"
    assert lines[3].startswith("> - **cluster tpu-serving-dev is REPLACED: holds every model")
    holds = [line for line in lines if line.startswith("> - **")]
    assert [word for word in ("every model", "TPU capacity", "addresses") if not any(word in h for h in holds)] == []


def test_a_branch_that_edits_a_comment_says_so_in_one_line(repository: Repository) -> None:
    comment = repository.comment_on("comment", A_COMMENT)
    assert seen(comment) == [
        "**No environment changes (3 planned).**",
        "No change: `dev`, `prod`, `staging`.",
    ]


@pytest.mark.parametrize("name", BRANCHES)
def test_what_is_seen_of_a_comment_can_be_read_in_ten_seconds(repository: Repository, name: str) -> None:
    # At about four words a second: the count and the headline, 40 words; the rest is a list of at most 25 lines.
    lines = seen(repository.comment_on(name, BRANCHES[name]))
    assert len(" ".join(lines[:2]).split()) <= 40
    assert len(lines) <= 25


def test_another_version_of_an_image_says_what_it_restarts(repository: Repository) -> None:
    def edit(folder: Path) -> None:
        replaced("v0.32.0", "v0.32.1", "catalog/data/lock.yaml")(folder)
        for tables in ("vllm_flags", "runtimes"):
            shutil.copy(*(folder / f"catalog/data/{tables}/{version}.json" for version in ("0.32.0", "0.32.1")))

    repository.branch("vllm", edit)
    done = repository.serving("review", "--against", BASE, "--format", "markdown")
    comment = done.stdout
    assert done.returncode == 0, comment + done.stderr
    assert "### `dev`: restarts model qwen2-5-3b" in comment
    assert "qwen2-5-3b RESTARTS: image: docker.io/vllm/vllm-tpu:v0.32.0 -> docker.io/vllm/vllm-tpu:v0.32.1" in comment
    assert f"{BASE} is planned with its own program" in comment


def test_another_version_of_kserve_says_that_every_pod_may_restart(repository: Repository) -> None:
    repository.branch("kserve", replaced("v0.20.0", "v0.20.1", "catalog/data/lock.yaml"))
    done = repository.serving("plan", "dev", "--against", BASE, "--format", "markdown")
    assert SAFE not in done.stdout
    assert "KServe itself changes" in done.stdout or "KS01" in done.stdout


def test_a_version_without_facts_is_refused_in_words(repository: Repository) -> None:
    repository.branch("unknown", replaced("v0.32.0", "v0.33.0", "catalog/data/lock.yaml"))
    done = repository.serving("review", "--against", BASE)
    assert done.returncode == 2 and "no table of the runtime 0.33.0" in done.stderr


def test_a_refused_file_is_in_the_comment_and_in_the_exit_code(repository: Repository, tmp_path: Path) -> None:
    repository.branch("refused", appended("      replica: 2\n", "prod"))
    file = tmp_path / "review.md"
    done = repository.serving("review", "--against", BASE, "--format", "markdown", "--output", str(file))
    assert done.returncode == 2
    assert "### `prod`: REJECTED" in done.stdout and "**ST01** models\\[0\\].replica" in done.stdout
    assert file.read_text(encoding="utf-8") == done.stdout


def test_new_and_removed_environments_are_said(repository: Repository) -> None:
    def renamed(folder: Path) -> None:
        (folder / "Pulumi.dev.yaml").rename(folder / "Pulumi.play.yaml")

    comment = repository.comment_on("moved", renamed)
    assert "### `dev`: Pulumi.dev.yaml is REMOVED" in comment and "until somebody runs `pulumi destroy`" in comment
    assert "### `play`: new environment" in comment
    assert comment.index("REMOVED") < comment.index("new environment")


def test_json_follows_its_schema(repository: Repository) -> None:
    repository.branch("json", OTHER_RANGE)
    Draft202012Validator(Review.schema_for("review")).validate(json.loads(json.dumps(repository.review().as_json())))


def test_what_is_no_ref_is_refused() -> None:
    done = run("serving", "review", "--against", "no-such-branch")
    assert done.code == 2 and "not a git ref here" in done.err
