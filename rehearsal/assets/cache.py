"""The cache of assets: `${XDG_CACHE_HOME:-~/.cache}/tpu-serving/assets/<name>/<version>-<key>/<name>`.

A thing is made in a folder beside its place and renamed into it, so that what stands there is whole. Half-made folders
are removed by the next one who makes that thing; a lock that ends with its process keeps two from making it at once.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from rehearsal.assets.errors import AssetError

_MAKING = ".making-"
# Seconds between two looks at a lock that somebody else holds.
_LOOK = 0.2


def user_folder() -> Path:
    """What all checkouts of a user share. It need not exist."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base).absolute() / "tpu-serving"


def root() -> Path:
    """The folder of all assets. It need not exist."""
    return user_folder() / "assets"


@dataclass(frozen=True)
class Entry:
    """The place of one asset: `program` is its file, relative to the folder."""

    name: str
    label: str
    program: str

    @property
    def folder(self) -> Path:
        """Folder of this version and key."""
        return root() / self.name / self.label

    @property
    def path(self) -> Path:
        """The program."""
        return self.folder / self.program

    def record(self) -> dict[str, Any]:
        """What was written down when it was made; empty where it was not, or can't be read."""
        try:
            record = json.loads((self.folder / "record.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return record if isinstance(record, dict) else {}

    def intact(self) -> bool:
        """Is it there, as it was made? The content is only read again where the file's time or size changed."""
        record = self.record()
        try:
            status = self.path.stat()
        except OSError:
            return False
        if not record or status.st_size != record.get("size") or not os.access(self.path, os.X_OK):
            return False
        return status.st_mtime_ns == record.get("time") or sha256(self.path) == record.get("sha256")

    def publish(self, made: Path, how: str, seconds: float) -> None:
        """Take `made` (a folder from `making`, with the program in it) as this entry; call it under the lock."""
        program = made / self.program
        program.chmod(0o755)
        status = program.stat()
        record = {
            "size": status.st_size,
            "time": status.st_mtime_ns,
            "sha256": sha256(program),
            "how": how,
            "seconds": round(seconds, 1),
        }
        (made / "record.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
        if self.folder.exists():
            # A folder can't be renamed onto a full one. What is in its way is broken; processes keep their open files.
            os.rename(self.folder, Path(tempfile.mkdtemp(prefix=_MAKING, dir=self.folder.parent)) / "broken")
        os.rename(made, self.folder)
        _remove_half_made(self.folder.parent)


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def making(name: str) -> Iterator[Path]:
    """A new folder in which an asset is made; removed at the end unless it was renamed away. Call it under the lock.

    Raises:
        AssetError: the cache can't be written, or its disk is full.
    """
    with writing(name):
        home = root() / name
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        _remove_half_made(home)
        folder = Path(tempfile.mkdtemp(prefix=_MAKING, dir=home))
        folder.chmod(0o755)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_half_made(home: Path) -> None:
    for folder in home.glob(f"{_MAKING}*"):
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def locked(name: str, waiting: Callable[[int], None]) -> Iterator[None]:
    """Only one process makes an asset; `waiting` is called now and then with the id of the one that holds the lock.

    Raises:
        AssetError: the cache can't be written.
    """
    with writing(name):
        root().mkdir(parents=True, exist_ok=True, mode=0o700)
        file = (root() / f"{name}.lock").open("a+", encoding="utf-8")
    with file:
        while not _lock(file, fcntl.LOCK_EX):
            file.seek(0)
            holder = file.read().strip()
            waiting(int(holder) if holder.isdigit() else 0)
            time.sleep(_LOOK)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextlib.contextmanager
def build_cache() -> Iterator[Path]:
    """The Go build cache of our own (several processes may use it at once). It stays; see `drop_build_cache`."""
    with writing("Go build cache"):
        root().mkdir(parents=True, exist_ok=True, mode=0o700)
        file = (root() / "go-build.lock").open("a+", encoding="utf-8")
    with file:
        fcntl.flock(file, fcntl.LOCK_SH)
        os.utime(file.name)
        yield root() / "go-build"


def drop_build_cache(unused: float = 0.0) -> None:
    """Remove the Go build cache where nobody has begun a build for `unused` seconds: it takes gigabytes.

    It stays while another process is building.
    """
    folder = root() / "go-build"
    if not folder.exists():
        return
    with contextlib.suppress(OSError), (root() / "go-build.lock").open("a+", encoding="utf-8") as file:
        if time.time() - os.stat(file.name).st_mtime >= unused and _lock(file, fcntl.LOCK_EX):
            shutil.rmtree(folder, ignore_errors=True)


def _lock(file: TextIO, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def writing(name: str) -> Iterator[None]:
    """Turn what the file system says into words."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise no_space(name) from None
        raise AssetError(
            f"{name} can't be put into the cache {root()}",
            error.strerror or str(error),
            [f"ls -ld {root()}", "export XDG_CACHE_HOME=DIRECTORY   # a folder of yours that can be written"],
        ) from None


def no_space(name: str) -> AssetError:
    """The disk of the cache or of Go's module cache is full."""
    return AssetError(
        f"{name} can't be made",
        f"no space left on the disk of {root()} or of Go's module cache; a first preparation needs about 20 GB",
        [
            f"df -h {root().parent.parent} ~",
            f"rm -rf {root() / 'go-build'}   # half of a build; it starts anew then",
            "go clean -modcache   # only if nothing else of yours needs it",
            "export XDG_CACHE_HOME=DIRECTORY GOMODCACHE=DIRECTORY   # on a larger disk",
        ],
    )
