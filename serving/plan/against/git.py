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
