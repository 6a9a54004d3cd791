"""A git ref's own program, run on the ref's environment file: so a new chart or another image shows what it restarts."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

from serving.plan.against.git import git
from serving.program.record import Recording, load
from settings.document import ROOT

# What makes resources out of a file.
_PROGRAM = ("__main__.py", "catalog", "settings", "checks", "manifests", "components")
_RECORDER = "serving"
_MODULES = ("serving.program.record", "serving.plan.record")  # the second one before December 2026
_SECONDS = 120


def recorded(ref: str, environment: Path) -> tuple[Recording | None, tuple[str, ...]]:
    """What the program of a ref registers for a file, and a note; (None, ()) where this program is the same.

    The packages are those that are installed now. A ref that can't record is left out, and the note says so.
    """
    files = different_files(ref)
    if not files:
        return None, ()
    some = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
    recording = _run(ref, environment)
    how = f"{ref} is planned with its own program" if recording else "Both sides are planned with the program as it is"
    return recording, (f"The program differs too ({some}). {how}.",)


def different_files(ref: str) -> list[str]:
    """Files of the program that are not as in a ref."""
    done = git(ROOT, "diff", "--name-only", ref, "--", *_PROGRAM)
    return done.stdout.split() if done is not None and done.returncode == 0 else []


def _run(ref: str, environment: Path) -> Recording | None:
    folder = environment.parent / "program"
    archive = folder.with_suffix(".tar")
    done = git(ROOT, "archive", "--format=tar", f"--output={archive}", ref, "--", *_PROGRAM, _RECORDER)
    if done is None or done.returncode != 0:
        return None
    with tarfile.open(archive) as files:
        files.extractall(folder, filter="data")
    module = next((m for m in _MODULES if (folder / f"{m.replace('.', '/')}.py").is_file()), _MODULES[0])
    command = [sys.executable, "-m", module, str(environment)]
    try:
        run = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return None
    return load(run.stdout) if run.returncode == 0 else None
