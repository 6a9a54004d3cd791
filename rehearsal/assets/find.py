"""Where an asset already is on this machine.

Looked for in this order: the variable `TPU_SERVING_ASSET_<NAME>`, the folder `KUBEBUILDER_ASSETS`, our cache, `PATH`.
A program from that folder or from `PATH` is only taken where its version will do.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rehearsal.assets.cache import Entry
from rehearsal.assets.errors import AssetError
from rehearsal.assets.table import Binary, binary

# Seconds that a program may take to say its version; the first start of a large one from a cold disk is slow.
_ANSWER = 20.0
_VERSION = re.compile(r"(?<![\w.])v?(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)")


@dataclass(frozen=True)
class Found:
    """An asset on this machine. `how`: the variable's name, KUBEBUILDER_ASSETS, PATH, or how it came into the cache."""

    name: str
    path: Path
    how: str
    version: str


def find(names: Sequence[str]) -> dict[str, Found]:
    """What of these is on this machine; what is not is left out. Nothing is made.

    Raises:
        AssetError: a variable names a file that can't be run.
        KeyError: no such asset.
    """
    found = ((name, _find(name, binary(name))) for name in dict.fromkeys(names))
    return {name: asset for name, asset in found if asset}


def entry(name: str) -> Entry:
    """The place of an asset in the cache."""
    row = binary(name)
    return Entry(name, f"{row.version}-{row.key}", name)


def cached(name: str) -> Found | None:
    """The asset in our cache, if it is whole."""
    place = entry(name)
    return Found(name, place.path, str(place.record()["how"]), binary(name).version) if place.intact() else None


def variable(name: str) -> str:
    """The variable that names a binary of one's own."""
    return f"TPU_SERVING_ASSET_{name.upper().replace('-', '_')}"


def _find(name: str, row: Binary) -> Found | None:
    if chosen := os.environ.get(variable(name)):
        path = Path(chosen).expanduser().absolute()
        if not (path.is_file() and os.access(path, os.X_OK)):
            raise AssetError(
                f"{variable(name)}={chosen}", "no file that can be run", [f"ls -l {path}", f"unset {variable(name)}"]
            )
        return Found(name, path, variable(name), ask_version(path, row) or "unknown")
    folder = os.environ.get("KUBEBUILDER_ASSETS")
    if folder and (asset := _fitting(name, Path(folder) / name, row, "KUBEBUILDER_ASSETS")):
        return asset
    if asset := cached(name):
        return asset
    on_path = shutil.which(name)
    return _fitting(name, Path(on_path), row, "PATH") if on_path else None


def _fitting(name: str, path: Path, row: Binary, how: str) -> Found | None:
    """The program at `path` where its version can be asked and will do."""
    if not row.fits or not os.access(path, os.X_OK) or not path.is_file():
        return None
    version = ask_version(path, row)
    return Found(name, path.absolute(), how, version) if version and fits(version, row.fits) else None


def ask_version(path: Path, row: Binary) -> str | None:
    """What a program says its version is, with the v that the table's has; None where it says none in time."""
    if not row.ask:
        return None
    # Pulumi would ask its publisher for a newer one.
    environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        answer = subprocess.run(
            [path, *row.ask],
            check=False,
            capture_output=True,
            text=True,
            timeout=_ANSWER,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    said = _VERSION.search(answer.stdout) or _VERSION.search(answer.stderr)
    if answer.returncode or not said:
        return None
    return ("v" if row.module else "") + said[1]


def fits(version: str, wanted: str) -> bool:
    """Does a version satisfy every part of, say, `>=3.5.13,<4`? A pre-release counts as its release."""
    have = _numbers(version)
    for part in wanted.split(","):
        sign, bound = (">=", part[2:]) if part.startswith(">=") else ("<", part[1:])
        limit = _numbers(bound)
        if have < limit if sign == ">=" else have >= limit:
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    """Three numbers, missing ones as zero."""
    parts = [int(number) for number in re.findall(r"\d+", version.split("-")[0])[:3]]
    return tuple(parts + [0] * (3 - len(parts)))
