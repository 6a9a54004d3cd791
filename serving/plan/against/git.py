"""Git commands that only read."""

from __future__ import annotations

import subprocess
from pathlib import Path

_SECONDS = 60


def git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str] | None:
    """A git command that only reads, and its output as text; None where git is missing or does not end."""
    try:
        return subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            stdin=subprocess.DEVNULL,
            check=False,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def git_problem(folder: Path) -> tuple[str, str] | None:
    """Why git cannot say anything about a folder, in its own words, and what to do; None where it can."""
    done = git(folder, "rev-parse", "--git-dir")
    if done is None:
        return "git cannot be run.", "Install git, or name a file in place of a ref."
    if done.returncode == 0:
        return None
    said = " ".join(done.stderr.split("\n\n")[0].split()) or f"exit code {done.returncode}"
    fix = "Run it in a clone of the repository, or name a file in place of a ref."
    if "dubious ownership" in said:  # a CI container that runs as another user than the one who checked out
        fix = f"Trust the checkout:\ngit config --global --add safe.directory {folder.resolve()}"
    return f"git says: {said.rstrip('.')}.", fix
