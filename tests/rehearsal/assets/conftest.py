"""A cache of its own for every test, and small tables of assets with a fake Go or the real one."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from rehearsal.assets import Found, Progress, ensure, find, golang, table

HELLO = {
    "folder": "hello",
    "module": "example.test/hello",
    "package": "example.test/hello",
    "ldflags": "-X main.version={version}",
    "seconds": 8,
    "ask": ["--version"],
    "fits": ">=1.2,<2",
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that holds the cache; no variable of the person who tests plays a part."""
    for name in [*os.environ]:
        if name.startswith("TPU_SERVING_ASSET"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "pulumi"))
    golang._download.cache_clear()
    return tmp_path


class Said(Progress):
    """Remembers what people would see; `hear` is called with what goes on at the moment."""

    def __init__(self, hear: Callable[[str], object] = lambda _: None) -> None:
        super().__init__(None)
        self.lines: list[str] = []
        self.hear = hear

    def done(self, text: str) -> None:
        self.lines.append(text)

    def now(self, text: str) -> None:
        self.hear(text)
        super().now(text)


def had(name: str, progress: Progress | None = None) -> Found:
    """An asset, and how it came."""
    path = ensure([name], progress)[name]
    found = find([name])[name]
    assert found.path == path
    return found


@pytest.fixture
def rows(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Call it with rows of `binaries` to make them the whole table; the module `hello` is there to be built."""
    folder = home / "assets" / "hello"
    (folder / "module").mkdir(parents=True)
    (folder / "go.mod").write_text(
        "module example.test/tools\n\ngo 1.24\n\nrequire example.test/hello v1.2.3\n\n"
        "replace example.test/hello => ./module\n",
        encoding="utf-8",
    )
    (folder / "go.sum").touch()
    (folder / "module" / "go.mod").write_text("module example.test/hello\n\ngo 1.24\n", encoding="utf-8")
    # Nothing is imported: Go then compiles its runtime alone.
    (folder / "module" / "main.go").write_text(
        'package main\n\nvar version = "unset"\n\nfunc main() { print("hello ", version) }\n', encoding="utf-8"
    )

    def set_rows(**binaries: object) -> None:
        real = yaml.safe_load((Path(table.__file__).parent / "assets.yaml").read_text(encoding="utf-8"))
        document = {**real, "binaries": binaries, "modules": {}}
        (home / "assets" / "assets.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
        monkeypatch.setattr(table, "HERE", home / "assets")
        table.table.cache_clear()

    yield set_rows
    table.table.cache_clear()


@pytest.fixture
def program(home: Path) -> Callable[..., Path]:
    """Makes a program that says its version: `program("bin/etcd", "etcd Version: 3.6.5")`."""

    def make(name: str, says: str, code: int = 0) -> Path:
        return script(home / name, f"cat <<'END'\n{says}\nEND\nexit {code}\n")

    return make


@pytest.fixture
def fake_go(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Makes the only `go` on PATH a script: it answers `version`, and runs the given lines for anything else.

    The lines find the output file of `go build` in `$out`.
    """

    def make(lines: str) -> Path:
        go = script(
            home / "fake" / "go",
            '[ "$1" = version ] && { echo "go version go1.26.8 linux/amd64"; exit 0; }\n'
            'previous=; for word in "$@"; do [ "$previous" = -o ] && out=$word; previous=$word; done\n' + lines,
        )
        monkeypatch.setenv("PATH", f"{go.parent}{os.pathsep}{os.defpath}")
        return go

    return make


@pytest.fixture
def real_go() -> str:
    """The Go of this machine."""
    go = shutil.which("go")
    if not go:
        pytest.skip("no Go on PATH: https://go.dev/dl/")
    return go


def script(path: Path, lines: str) -> Path:
    """An executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{lines}", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


# What a fake `go build` runs when it succeeds.
BUILDS = "printf '#!/bin/sh\\necho hello v1.2.3\\n' > \"$out\"\n"
