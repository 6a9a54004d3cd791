"""A real repository with this program in it, and branches as people make them.

A branch that leaves the program alone is reviewed in the test's process; one that changes it, by its own program.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from serving.plan.review import render, run
from serving.plan.review.contract import Review
from tests.project.test_hygiene import ROOT, files
from tests.serving.against.comparing import EXTERNAL, SECOND

NEEDED = (
    ".gitignore",
    "__main__.py",
    "Pulumi",
    "catalog",
    "settings",
    "checks",
    "manifests",
    "components",
    "cluster",
    "providers",
    "serving",
    "rehearsal",
)
# The branch that the others begin at; no ref of the checkout that the tests run in.
BASE = "where-the-tests-begin"
_AUTHOR = ("-c", "user.name=someone", "-c", "user.email=someone@example.com", "-c", "commit.gpgsign=false")


@dataclass(frozen=True)
class Repository:
    """A checkout whose branch BASE is this program with its environments."""

    folder: Path
    comments: dict[str, str] = field(default_factory=dict)

    def git(self, *arguments: str) -> str:
        """A git command that must succeed."""
        command = ["git", *_AUTHOR, *arguments]
        return subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True).stdout

    def branch(self, name: str, edit: Callable[[Path], None]) -> None:
        """A branch off BASE with one commit, checked out."""
        self.git("checkout", "-q", "-B", name, BASE)
        edit(self.folder)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", name)

    def serving(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """This checkout's own command."""
        command = [sys.executable, "-m", "serving", *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=300)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def review(self) -> Review:
        """What the branch means for every environment."""
        return run.review(BASE, self.folder)

    def comment_on(self, name: str, edit: Callable[[Path], None]) -> str:
        """What the pull request of a branch with this edit says; a branch is made and asked once."""
        if name not in self.comments:
            self.branch(name, edit)
            self.comments[name] = render.render_markdown(self.review())
        return self.comments[name]


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    folder = tmp_path_factory.mktemp("repository") / "checkout"
    for path in files():
        name = path.relative_to(ROOT)
        if name.parts[0].startswith(NEEDED):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / name)
    made = Repository(folder)
    made.git("init", "-q", "-b", BASE)
    made.git("add", "-A")
    made.git("commit", "-q", "-m", BASE)
    return made


def appended(text: str, environment: str = "dev") -> Callable[[Path], None]:
    """An edit that adds text at the end of an environment file."""

    def edit(folder: Path) -> None:
        path = folder / f"Pulumi.{environment}.yaml"
        path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")

    return edit


def replaced(old: str, new: str, file: str) -> Callable[[Path], None]:
    """An edit of a text that has to be there."""

    def edit(folder: Path) -> None:
        path = folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text, old
        path.write_text(text.replace(old, new), encoding="utf-8")

    return edit


ADDS_A_MODEL = appended(SECOND)
EXTERNAL_GATEWAY = appended(EXTERNAL)
OTHER_RANGE = appended("  tpu-serving:network: {nodesCidr: 10.64.0.0/20}\n")
A_COMMENT = appended("# A word.\n")
# The four branches of whom everybody asks.
BRANCHES = {"model": ADDS_A_MODEL, "external": EXTERNAL_GATEWAY, "range": OTHER_RANGE, "comment": A_COMMENT}
