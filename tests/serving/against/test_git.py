"""Git that is missing or refuses: its own words, and what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from serving.plan.against.source import find
from serving.plan.review.run import review
from settings.document import ROOT
from settings.refusal import RefusedError

OWNERSHIP = """\
fatal: detected dubious ownership in repository at '/checkout'
To add an exception for this directory, call:

	git config --global --add safe.directory /checkout
"""


@pytest.fixture(params=["missing", "dubious", "broken"])
def git(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """What the message has to say, and what its fix."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    if request.param == "missing":
        return "git cannot be run", "Install git"
    (tmp_path / "words").write_text(OWNERSHIP if request.param == "dubious" else "fatal: bad object HEAD\n")
    script = folder / "git"
    script.write_text(f'#!/bin/sh\nwhile read -r line; do echo "$line" >&2; done < {tmp_path}/words\nexit 128\n')
    script.chmod(0o755)
    if request.param == "dubious":
        return "detected dubious ownership in repository at '/checkout'", f"safe.directory {ROOT}"
    return "bad object HEAD", "clone of the repository"


def test_a_ref_that_git_cannot_look_up_is_answered_in_gits_own_words(git: tuple[str, str]) -> None:
    assert os.environ["PATH"]
    for ask in (lambda: find("HEAD~1", ROOT / "Pulumi.dev.yaml"), lambda: review("HEAD~1")):
        with pytest.raises(RefusedError) as refused:
            ask()
        [finding] = refused.value.findings
        assert git[0] in finding.message
        assert git[1] in finding.fix


@pytest.mark.parametrize("name", ["~nobody-of-that-name/x", "a" * 300])
def test_a_path_that_cannot_be_looked_up_is_refused(name: str) -> None:
    with pytest.raises(RefusedError, match="cannot be looked up"):
        find(name, ROOT / "Pulumi.dev.yaml")
