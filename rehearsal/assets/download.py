"""A publisher's own file, taken only where the publisher's own checksum file names its SHA-256."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from rehearsal.assets.errors import NotDownloadedError
from rehearsal.assets.table import Binary, this_platform

# Seconds: to connect (an unreachable host must not cost more), and between two pieces of a file.
_TIMEOUT = httpx.Timeout(20.0, connect=3.0)
_PIECE = 1 << 20
# Hosts that did not answer: asked once a run, not once an asset.
_silent: set[str] = set()


def fetch(name: str, row: Binary, folder: Path, progress: Callable[[float], None], stop: threading.Event) -> None:
    """Put the program `name` into `folder`. `progress` is called with the seconds so far; `stop` ends it early.

    Raises:
        NotDownloadedError: not published for this platform, not reachable, or its SHA-256 is not the publisher's.
        OSError: the disk.
    """
    file = row.download.files.get(this_platform()) if row.download else None
    if not row.download or not file:
        raise NotDownloadedError(f"{name} is not published for {this_platform()}")
    url = row.filled(file)
    checksums = row.filled(row.download.checksums.replace("{file}", file))
    host = urlsplit(url).netloc
    if {host, urlsplit(checksums).netloc} & _silent:
        raise NotDownloadedError(f"{host} does not answer")
    packed = folder / "packed"
    try:
        with httpx.Client(timeout=_TIMEOUT, follow_redirects=True) as client:
            expected = listed(client.get(checksums).raise_for_status().text, url.rsplit("/", 1)[1])
            if not expected:
                raise NotDownloadedError(f"{checksums} does not name {url}")
            actual = _save(client, url, packed, progress, stop)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        if isinstance(error, httpx.TransportError):
            _silent.add(host)
        raise NotDownloadedError(f"{url}: {error}") from None
    if actual != expected:
        raise NotDownloadedError(f"{url} has the SHA-256 {actual}, its publisher says {expected}")
    _unpack(packed, url, folder / name)
    packed.unlink(missing_ok=True)


def listed(text: str, file: str) -> str | None:
    """The SHA-256 of a file in a checksum file: `HASH  NAME` lines, or nothing but the hash."""
    for words in (line.split() for line in text.splitlines()):
        alone = len(words) == 1 and len(text.split()) == 1
        named = len(words) == 2 and words[1].removeprefix("*").rsplit("/", 1)[-1] == file
        if (alone or named) and len(words[0]) == hashlib.sha256().digest_size * 2:
            return words[0].lower()
    return None


def _save(
    client: httpx.Client, url: str, packed: Path, progress: Callable[[float], None], stop: threading.Event
) -> str:
    """Write a file and tell its SHA-256."""
    digest, start = hashlib.sha256(), time.monotonic()
    with client.stream("GET", url) as answer, packed.open("wb") as file:
        for piece in answer.raise_for_status().iter_bytes(_PIECE):
            if stop.is_set():
                raise NotDownloadedError("stopped")
            digest.update(piece)
            file.write(piece)
            progress(time.monotonic() - start)
    return digest.hexdigest()


def _unpack(packed: Path, url: str, program: Path) -> None:
    """Only the program is taken out of an archive, so that no path in it matters."""
    if url.endswith(".tar.gz"):
        with tarfile.open(packed) as archive:
            tar_member = next((m for m in archive if m.isfile() and Path(m.name).name == program.name), None)
            content = archive.extractfile(tar_member) if tar_member else None
            _copy(content, url, program)
    elif url.endswith(".zip"):
        with zipfile.ZipFile(packed) as pack:
            zip_member = next((n for n in pack.namelist() if Path(n).name == program.name and n[-1] != "/"), None)
            _copy(pack.open(zip_member) if zip_member else None, url, program)
    else:
        packed.rename(program)


def _copy(content: object, url: str, program: Path) -> None:
    if content is None:
        raise NotDownloadedError(f"{url} has no {program.name} in it")
    with content as source, program.open("wb") as target:  # type: ignore[attr-defined]
        shutil.copyfileobj(source, target)
