"""Assets are made once, resumed after a kill, and never twice at once."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from rich.console import Console

from rehearsal.assets import AssetError, ensure, find, golang
from rehearsal.assets.cache import Entry, root
from rehearsal.assets.find import entry
from rehearsal.assets.progress import Progress
from settings.document import ROOT
from tests.rehearsal.assets.conftest import BUILDS, HELLO, Said, had
from tests.rehearsal.plane import until

Rows = Callable[..., None]
Go = Callable[[str], Path]


def test_a_program_is_built_offline_by_the_real_go_with_the_modules_files_and_then_found(
    rows: Rows, real_go: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main = home / "assets/hello/program/main.go"
    main.parent.mkdir()
    main.write_text(
        'package main\n\nimport _ "embed"\n\nvar version = "unset"\n\n//go:embed words.txt\nvar words string\n\n'
        "func main() { print(version, words) }\n",
        encoding="utf-8",
    )
    (home / "module/data").mkdir(parents=True)
    (home / "module/data/words.txt").write_text(" of the module", encoding="utf-8")
    monkeypatch.setattr(golang, "_download", lambda _: home / "module")
    rows(hello={**HELLO, "package": "./program", "embed": ["data/words.txt"]})
    # What a person may have set must neither change the program nor touch the go.mod files.
    set_by_others = {"GOFLAGS": "-mod=mod", "GOOS": "plan9", "GOWORK": "/nowhere", "GOROOT": "/nowhere"}
    for name, value in {"GOPROXY": "off", **set_by_others}.items():
        monkeypatch.setenv(name, value)
    seen = Said()
    path = ensure(["hello"], seen)["hello"]
    said = subprocess.run([path], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    assert said.stderr == "v1.2.3 of the module"
    assert list(main.parent.iterdir()) == [main]
    assert seen.lines[1] == (
        "1 programs to build, about 8 s on two cores at rest; after the first it is this machine's own speed. "
        "Broken off, it goes on from there."
    )
    assert seen.lines[2].startswith("building hello, 0 s so far; with what follows about 8 s")
    # The build cache has done its work; only the program, its record and the locks stay.
    files = {str(file.relative_to(root())) for file in root().rglob("*") if file.is_file()}
    label = entry("hello").label
    assert files == {f"hello/{label}/hello", f"hello/{label}/record.json", "lock"}

    monkeypatch.setenv("PATH", "/nonexistent")
    assert (had("hello").path, had("hello").how) == (path, "built")


def test_of_several_the_made_ones_stay_when_one_fails(rows: Rows, fake_go: Go) -> None:
    rows(hello=HELLO, bad={**HELLO, "tags": "bad"})
    fake_go(f'case "$*" in *"-tags bad"*) mkdir -p "$GOCACHE"; echo "boom" >&2; exit 1;; esac\n{BUILDS}')
    with pytest.raises(AssetError, match=r"bad v1\.2\.3: it can't be had, Go failed"):
        ensure(["hello", "bad"])
    assert list(find(["hello", "bad"])) == ["hello"]
    # What was compiled is kept for the next try.
    assert (root() / "go-build").exists()
    fake_go(BUILDS)
    ensure(["bad"])
    assert not (root() / "go-build").exists()


def test_after_the_first_the_estimate_is_of_this_machines_own_speed(rows: Rows, fake_go: Go) -> None:
    rows(hello=HELLO, slow={**HELLO, "tags": "slow", "seconds": 80})
    fake_go(BUILDS)
    said = Said()
    ensure(["hello"])
    record = entry("hello").path.with_name("record.json")
    record.write_text(json.dumps({**json.loads(record.read_text("utf-8")), "seconds": 16}), encoding="utf-8")
    ensure(["slow"], said)
    assert "about 3 min at this machine's speed" in said.lines[1]


def test_a_killed_run_leaves_no_go_and_the_next_one_goes_on(rows: Rows, fake_go: Go, home: Path) -> None:
    rows(hello=HELLO)
    fake_go(f'mkdir -p "$GOCACHE"; touch "$GOCACHE/compiled"; echo $$ > {home}/pid; exec tail -f /dev/null\n')
    child = _other_process(home)
    until(lambda: (home / "pid").exists() and (home / "pid").read_text(encoding="utf-8").strip())
    go = int((home / "pid").read_text(encoding="utf-8"))
    child.kill()
    child.wait()
    if sys.platform == "linux":
        until(lambda: _ended(go))
    else:
        os.kill(go, signal.SIGKILL)
    assert len(list((root() / "hello").glob(".making-*"))) == 1
    fake_go(f'[ -e "$GOCACHE/compiled" ] || exit 9\n{BUILDS}')
    ensure(["hello"])
    assert [path.name for path in (root() / "hello").iterdir()] == [entry("hello").label]


def test_two_at_once_build_once_and_the_second_says_that_it_waits(rows: Rows, fake_go: Go, home: Path) -> None:
    rows(hello=HELLO)
    os.mkfifo(home / "go-on")
    fake_go(f"echo x >> {home}/builds; read line < {home}/go-on\n{BUILDS}")
    child = _other_process(home)
    until((home / "builds").exists)
    said = Said(lambda _: (home / "go-on").write_text("\n", encoding="utf-8"))
    path = ensure(["hello"], said)["hello"]
    assert child.wait() == 0
    assert said.lines == ["another process makes assets already"]
    assert path.exists()
    assert (home / "builds").read_text(encoding="utf-8") == "x\n"


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_go(rows: Rows, fake_go: Go, home: Path) -> None:
    rows(hello=HELLO)
    fake_go(f"trap 'echo ended > {home}/ended; exit 1' INT; echo > {home}/begun; while :; do sleep 0.05; done\n")

    def hear(_: str) -> None:
        if (home / "begun").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ensure(["hello"], Said(hear))
    assert (home / "ended").exists()
    assert list((root() / "hello").iterdir()) == []


def _other_process(home: Path) -> subprocess.Popen[bytes]:
    """Another command that asks for `hello` of the same table and cache."""
    code = (
        "import pathlib; from rehearsal.assets import ensure, table; "
        f"table.HERE = pathlib.Path({str(home / 'assets')!r}); ensure(['hello'])"
    )
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.DEVNULL)


def _ended(pid: int) -> bool:
    """A dead process whose new parent has not taken notice yet has ended too."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize(("gigabytes", "limit"), [(24, str(6 * 1024**3)), (8, None)])
def test_the_compiler_collects_no_garbage_where_memory_is_ample(
    gigabytes: int, limit: str | None, rows: Rows, fake_go: Go, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=gigabytes * 1024**3))
    monkeypatch.delenv("GOGC", raising=False)
    monkeypatch.delenv("GOMEMLIMIT", raising=False)
    rows(hello=HELLO)
    fake_go(f'echo "$GOGC $GOMEMLIMIT" > {home}/seen\n{BUILDS}')
    ensure(["hello"])
    assert (home / "seen").read_text(encoding="utf-8").strip() == (f"off {limit}" if limit else "")


PLACE = Entry("tool", "v1-abc", "tool")


def make(text: str) -> None:
    with PLACE.making("built") as folder:
        (folder / "tool").write_text(text, encoding="utf-8")


@pytest.fixture
def made() -> Path:
    make("a program")
    return PLACE.path


@pytest.mark.parametrize(
    "break_it",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.unlink(),
        lambda path: path.chmod(0o644),
        lambda path: (path.parent / "record.json").unlink(),
        lambda path: (path.parent / "record.json").write_text("[", encoding="utf-8"),
    ],
    ids=["truncated", "removed", "not executable", "no record", "broken record"],
)
def test_a_broken_file_is_noticed_and_replaced(made: Path, break_it: Callable[[Path], object]) -> None:
    assert PLACE.record()["how"] == "built"
    break_it(made)
    assert PLACE.record() == {}
    make("anew")
    assert (PLACE.record()["size"], made.read_text(encoding="utf-8")) == (4, "anew")
    assert [path.name for path in (root() / "tool").iterdir()] == ["v1-abc"]


def test_without_a_terminal_a_thing_is_said_once_and_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    progress = Progress(Console(file=out, width=200))
    with progress:
        for seconds in range(3):
            progress.now(f"building etcd, {seconds} s so far")
        progress.done("  etcd [v3] built")
        progress.now("building lws, 0 s so far")
        monkeypatch.setattr(Progress, "_EVERY", 0.0)
        progress.now("building lws, 1 s so far")
    assert out.getvalue().splitlines() == [
        "building etcd, 0 s so far", "  etcd [v3] built", "building lws, 0 s so far", "building lws, 1 s so far",
    ]  # fmt: skip
