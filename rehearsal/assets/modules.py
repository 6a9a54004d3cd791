"""Folders of unpacked Go modules: charts and custom resource definitions come from there."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from pathlib import Path

from rehearsal.assets.build import explain
from rehearsal.assets.cache import root
from rehearsal.assets.errors import AssetError
from rehearsal.assets.golang import environment, find_go
from rehearsal.assets.progress import Event, Phase, Progress, ignore
from rehearsal.assets.table import Module, module_folder, table

# Seconds that fetching a module may take; KServe's is 441 MB.
_LIMIT = 900.0


def ensure_modules(progress: Progress = ignore) -> None:
    """Have the files of every module here before a rehearsal begins: in its middle nobody would see what is missing.

    Raises:
        AssetError: one is not there and can't be fetched.
    """
    try:
        for name, row in table().modules.items():
            if _remembered(name, row) is None:
                progress(Event(f"the files of {row.module}", Phase.DOWNLOADING))
                module_dir(name)
    finally:
        progress(Event("", Phase.END))


def module_dir(name: str) -> Path:
    """The folder of a module of the table in its locked version, read only.

    It is remembered, so that the second call costs nothing and needs no Go. What is in Go's module cache needs no network.

    Raises:
        AssetError: it is not there and can't be fetched.
        KeyError: no such module.
    """
    row = table().modules[name]
    if folder := _remembered(name, row):
        return folder
    folder = fetch(name, row)
    with contextlib.suppress(OSError):
        _remember(_note(name, row), folder)
    return folder


def module_version(name: str) -> str:
    """The locked version of a module of the table, with its v."""
    return table().modules[name].version


def _note(name: str, row: Module) -> Path:
    return root() / "modules" / f"{name}-{row.version}"


def _remembered(name: str, row: Module) -> Path | None:
    with contextlib.suppress(OSError):
        folder = Path(_note(name, row).read_text(encoding="utf-8"))
        if (folder / "go.mod").is_file():
            return folder
    return None


def fetch(name: str, row: Module) -> Path:
    """Ask Go, which checks the module against go.sum."""
    what = f"the files of {row.module} {row.version} can't be had"
    go = find_go(row.folder, lambda _: None)
    command = [str(go), "mod", "download", "-json", f"{row.module}@{row.version}"]
    try:
        done = subprocess.run(
            command,
            check=False,
            cwd=module_folder(row.folder),
            env=environment(go),
            capture_output=True,
            text=True,
            timeout=_LIMIT,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise AssetError(what, f"Go did not end within {_LIMIT:.0f} s", [" ".join(command)]) from None
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        answer = {}
    said = answer.get("Error") or done.stderr
    if done.returncode or "Dir" not in answer:
        said = said.strip()
        raise explain(name, what, row.folder, said) or AssetError(
            what, said or "Go gave no folder", [" ".join(command)]
        )
    return Path(answer["Dir"])


def _remember(note: Path, folder: Path) -> None:
    note.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, new = tempfile.mkstemp(dir=note.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(str(folder))
    os.replace(new, note)
