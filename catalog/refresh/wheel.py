"""Fetches a wheel without installing it, through the ordinary client of the package index."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

# The wheel is read, not run: its own Python and platform are asked for, whatever this machine is.
_TARGET = ("--python-version", "3.12", "--platform", "manylinux_2_24_x86_64")


class WheelError(Exception):
    """The wheel could not be had; the message says why and what to do."""


def download(package: str, version: str, into: Path) -> Path:
    """The file of `package==version`, downloaded by pip into a folder.

    Raises:
        WheelError: there is no pip, or pip found nothing or could not reach the index.
    """
    command = [*pip(), "download", "--quiet", "--no-deps", "--only-binary=:all:", *_TARGET, "--dest", str(into)]
    run = subprocess.run([*command, f"{package}=={version}"], capture_output=True, text=True, check=False)
    wheels = sorted(into.glob("*.whl"))
    if run.returncode or not wheels:
        said = [line for line in run.stderr.splitlines() if line.strip()]
        why = said[-1].removeprefix("ERROR: ") if said else f"pip ended with {run.returncode}"
        raise WheelError(f"{package} {version} can't be downloaded: {why}")
    return wheels[0]


def pip() -> list[str]:
    """The command of pip, the ordinary client of the package index.

    Raises:
        WheelError: there is none.
    """
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    for name in ("pip", "pip3"):
        if found := shutil.which(name):
            return [found]
    raise WheelError("no pip here to download with; `python -m ensurepip` brings one")
