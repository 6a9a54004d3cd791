"""A package of the Python index, unpacked into a folder by the ordinary installer and checked against its SHA-256."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from rehearsal import die_with_parent
from rehearsal.assets.cache import no_space
from rehearsal.assets.errors import AssetError
from rehearsal.assets.table import Wheel, this_platform
from settings.document import ROOT

# Seconds that the installer may take; 110 MB over a slow line.
_LIMIT = 900.0
_OPTIONS = ("--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes")


def install(row: Wheel, folder: Path) -> None:
    """Unpack a wheel into `folder`, never into the environment that runs.

    The user's settings of the installer (index, certificates, proxies) hold. It refuses a wheel of another SHA-256.

    Raises:
        AssetError: none for this platform, no installer, or the index does not answer, in the installer's words.
    """
    what = f"{row.package} {row.version}"
    digest = row.sha256.get(this_platform())
    if not digest:
        raise AssetError(what, f"is not published for {this_platform()}")
    installer = next(_installers(), None)
    if not installer:
        raise AssetError(what, "neither pip nor uv was found", [f"{sys.executable} -m ensurepip"])
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{row.package}=={row.version} --hash=sha256:{digest}\n", encoding="utf-8")
    command = [*installer, *_OPTIONS, "--target", str(folder), "--requirement", str(requirement)]
    try:
        done = subprocess.run(
            die_with_parent.wrap(command),
            check=False,
            # uv would take the constraints of a project that it is called in, and those have no hashes.
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_LIMIT,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AssetError(what, f"{installer[0]}: {error}", [" ".join(command)]) from None
    if done.returncode:
        if "no space left" in done.stderr.lower():
            raise no_space(what)
        said = [line for line in done.stderr.strip().splitlines() if not line.startswith("WARNING")]
        raise AssetError(what, "the package index refused it or can't be reached: " + " / ".join(said[-3:]))
    requirement.unlink()


def _installers() -> Iterator[list[str]]:
    if importlib.util.find_spec("pip"):
        yield [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir", "install"]
    # The variable is set by `uv run`; the last one is the private copy that setting up a checkout may leave.
    for uv in (os.environ.get("UV"), shutil.which("uv"), str(ROOT / ".state" / "uv" / "bin" / "uv")):
        if uv and os.access(uv, os.X_OK):
            yield [uv, "--no-cache", "pip", "install", "--python", sys.executable]
    for pip in ("pip3", "pip"):
        if found := shutil.which(pip):
            yield [found, "--disable-pip-version-check", "--no-cache-dir", "install"]
