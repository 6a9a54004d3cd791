"""Building a program from its Go module, and what is said where that fails."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from rehearsal import die_with_parent
from rehearsal.assets.cache import build_cache, no_space, root
from rehearsal.assets.errors import AssetError
from rehearsal.assets.find import variable
from rehearsal.assets.golang import environment
from rehearsal.assets.table import Binary, Module, module_folder, table

# Seconds between two reports of progress.
_REPORT = 1.0
# Seconds that Go may take to end after it was asked to.
_END = 10.0
# Bytes below which a disk counts as full: no program here is smaller.
_FULL = 20 * 1024 * 1024
_REFUSED = re.compile(r"(\S+@v[^\s:]+): .*(?:\b4\d\d\b|not found|unknown revision)", re.IGNORECASE)
_UNREACHABLE = (
    "no such host", "connection refused", "i/o timeout", "network is unreachable", "proxyconnect", "handshake timeout",
    "context deadline exceeded", "no route to host", "server misbehaving", "connection reset", "x509:",
    "module lookup disabled by goproxy=off",
)  # fmt: skip


def build(name: str, row: Binary, go: Path, folder: Path, progress: Callable[[float], None]) -> None:
    """Build the program `name` into `folder`. `progress` is called about once a second with the seconds so far.

    What was compiled stays in the build cache when it fails or is killed, so that the next try goes on from there.

    Raises:
        AssetError: Go refused or failed.
    """
    temporary = folder / "tmp"
    temporary.mkdir()
    flags = f"-s -w {row.filled(row.ldflags)}".strip()
    command = [str(go), "build", "-ldflags", flags, "-o", str(folder / name), row.package]
    if row.embed:
        command[2:2] = ["-overlay", str(_overlay(row, temporary))]
    if row.tags:
        command[2:2] = ["-tags", row.tags]
    with build_cache() as compiled, (folder / "log").open("w+", encoding="utf-8", errors="replace") as log:
        variables = environment(go, GOCACHE=str(compiled), GOTMPDIR=str(temporary))
        code = _run(command, module_folder(row.folder), variables, log.fileno(), progress)
        log.seek(0)
        said = log.read()
    if code:
        raise failure(name, row, said)
    temporary.rmdir()
    (folder / "log").unlink()


def _overlay(row: Binary, folder: Path) -> Path:
    """Files of the module appear beside our main package, which embeds them."""
    from rehearsal.assets.modules import fetch

    source = fetch(row.module, Module(folder=row.folder, module=row.module))
    beside = module_folder(row.folder) / row.package
    files = {str(beside / Path(path).name): str(source / path) for path in row.embed}
    overlay = folder / "overlay.json"
    overlay.write_text(json.dumps({"Replace": files}), encoding="utf-8")
    return overlay


def _run(
    command: list[str], where: Path, variables: dict[str, str], log: int, progress: Callable[[float], None]
) -> int:
    """Run Go to its end; it ends with this process, whatever ends this process."""
    start = time.monotonic()
    process = subprocess.Popen(
        die_with_parent.wrap(command), cwd=where, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log
    )
    try:
        while True:
            progress(time.monotonic() - start)
            try:
                return process.wait(_REPORT)
            except subprocess.TimeoutExpired:
                continue
    finally:
        if process.poll() is None:
            # On an interrupt Go ends its compilers too.
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_END)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def failure(name: str, row: Binary, said: str) -> AssetError:
    """What Go said when it could not build, in words that help."""
    what = f"{name} {row.version} can't be built"
    known = explain(name, what, row.folder, said)
    if known:
        return known
    if not said.strip() and shutil.disk_usage(root()).free < _FULL:
        return no_space(name)  # Go could not even write why
    last = said.strip().splitlines()[-8:]
    return AssetError(what, "\n".join(["Go failed:", *(f"    {line}" for line in last)]), [_own(name, row.version)])


def explain(name: str, what: str, folder: str, said: str) -> AssetError | None:
    """The causes that lie outside of the project: disk, network, proxy, memory; None where Go said something else."""
    lower = said.lower()
    if "no space left on device" in lower or "disk quota exceeded" in lower:
        return no_space(name)
    if reason := _line(said, _UNREACHABLE):
        why = f"the Go module proxy can't be reached: {reason}"
        return AssetError(what, why, ["go env GOPROXY   # what is asked", *_elsewhere(name)])
    if refused := _REFUSED.search(said):
        why = f"the Go module proxy refused a module: {_line(said, (refused[1],))}"
        retry = f"cd {module_folder(folder)} && go mod download {refused[1]}   # the same request alone"
        return AssetError(what, why, ["go env GOPROXY GOPRIVATE   # what is asked", retry, *_elsewhere(name)])
    if "security error" in lower or "checksum mismatch" in lower:
        why = "a module is not the one that go.sum names; the proxy or the module cache changed it"
        return AssetError(what, why, ["go clean -modcache", f"cd {module_folder(folder)} && go mod verify"])
    if "signal: killed" in lower or "cannot allocate memory" in lower:
        why = "the system ended the compiler; a build needs up to 2.5 GB of memory"
        return AssetError(what, why, ["free -h", "export GOMAXPROCS=1   # one compiler at a time"])
    return None


def _elsewhere(name: str) -> list[str]:
    """How to get it onto a machine that can't."""
    return [
        f"python -m rehearsal.assets {name}   # on a machine with network and of this kind, then bring it here:",
        f"rsync -a OTHER:{root() / name}/ {root() / name}/",
        *([_own(name, "of that version")] if name in table().binaries else []),
    ]


def _own(name: str, version: str) -> str:
    return f"export {variable(name)}=FILE   # a {name} {version} of your own"


def _line(said: str, signs: Iterable[str]) -> str:
    """The first line in which one of the signs stands."""
    lines = (line.strip() for line in said.splitlines())
    return next((line for line in lines if any(sign.lower() in line.lower() for sign in signs)), "")
