"""A folder whose files change all at once, as the kubelet writes ConfigMaps and Secrets.

`..data` links to a folder with a time in its name, every file is a link through `..data`; a change writes a new folder
and moves the link. Source: kubernetes pkg/volume/util/atomic_writer.go.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_DATA = "..data"


@dataclass(frozen=True)
class File:
    """Content and mode of one file."""

    content: bytes
    mode: int = 0o644


def write(folder: Path, files: Mapping[str, File]) -> bool:
    """Make the folder hold exactly these files (relative paths); False where it did already."""
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / _DATA
    current = folder / os.readlink(link) if link.is_symlink() else None
    if current is not None and _read(current) == dict(files):
        return False
    fresh = Path(tempfile.mkdtemp(prefix="..", dir=folder))
    for name, file in files.items():
        target = fresh / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as stream:
            stream.write(file.content)
        target.chmod(file.mode)
    moved = folder / f"{_DATA}_tmp"
    moved.unlink(missing_ok=True)
    moved.symlink_to(fresh.name)
    moved.rename(link)
    _link_names(folder, {name.split("/", 1)[0] for name in files})
    if current is not None:
        shutil.rmtree(current, ignore_errors=True)
    return True


def _read(folder: Path) -> dict[str, File]:
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            found[str(path.relative_to(folder))] = File(path.read_bytes(), path.stat().st_mode & 0o777)
    return found


def _link_names(folder: Path, names: set[str]) -> None:
    for entry in folder.iterdir():
        if entry.is_symlink() and not entry.name.startswith("..") and entry.name not in names:
            entry.unlink()
    for name in names:
        entry = folder / name
        if not entry.is_symlink():
            entry.symlink_to(f"{_DATA}/{name}")
