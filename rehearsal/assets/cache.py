"""The cache of assets: `${XDG_CACHE_HOME:-~/.cache}/tpu-serving/assets/<name>/<version>-<key>/<name>`.

A thing is made in a folder beside its place and renamed into it, so that what stands there is whole. One lock, which ends
with its process, keeps two processes from making anything at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple


def root() -> Path:
    """The folder of all assets. `go-build` in it is kept from a build that broke off to the next try."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "tpu-serving" / "assets"


class Entry(NamedTuple):
    """The place of one asset: `program` is its file, relative to the folder `name`/`label`."""

    name: str
    label: str
    program: str

    @property
    def path(self) -> Path:
        """The program."""
        return root() / self.name / self.label / self.program

    def record(self) -> dict[str, Any]:
        """How it was made (`how`, `seconds`, `size`); empty where it is not there or not whole."""
        with contextlib.suppress(OSError, ValueError):
            record: dict[str, Any] = json.loads((root() / self.name / self.label / "record.json").read_text("utf-8"))
            if self.path.stat().st_size == record["size"] and os.access(self.path, os.X_OK):
                return record
        return {}

    @contextlib.contextmanager
    def making(self, how: str) -> Iterator[Path]:
        """A folder that becomes this entry, without its `tmp`, where the block puts the program there. Hold the lock."""
        start, home = time.monotonic(), root() / self.name
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in home.glob(".making-*"):
            shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=".making-", dir=home))
        try:
            (folder / "tmp").mkdir()
            yield folder
            program = folder / self.program
            if not program.exists():
                return
            shutil.rmtree(folder / "tmp")
            program.chmod(0o755)
            record = {"how": how, "seconds": time.monotonic() - start, "size": program.stat().st_size}
            (folder / "record.json").write_text(json.dumps(record), encoding="utf-8")
            # What is in its way is broken; processes keep their open files.
            shutil.rmtree(home / self.label, ignore_errors=True)
            folder.rename(home / self.label)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def locked(waiting: Callable[[str], None]) -> Iterator[None]:
    """Only one process makes assets; `waiting` is told where another one does."""
    root().mkdir(parents=True, exist_ok=True, mode=0o700)
    with (root() / "lock").open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting("another process makes assets already")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
