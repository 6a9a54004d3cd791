"""Set-up works once, twice, side by side, and says in one line why it can't."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rehearsal.plane import until
from tools import setup

ROOT = Path(__file__).resolve().parent.parent.parent
SHELL = shutil.which("sh") or "sh"
FAKE_UV = """#!/bin/sh
case $1 in
--version) echo "uv ${FAKE_VERSION:-0.13.9}" ;;
sync)
    echo "$@" >> "$FAKE_LOG"
    if [ -n "${FAKE_FAILURE:-}" ]; then echo "$FAKE_FAILURE" >&2; exit 2; fi
    while [ -n "${FAKE_GATE:-}" ] && [ ! -e "${FAKE_GATE:-}" ]; do sleep 0.05; done
    mkdir -p .venv/bin && ln -sf "$FAKE_PYTHON" .venv/bin/python ;;
python) exit 1 ;;
esac
"""


class Checkout:
    """A copy of what set-up reads, in a path with a space, with a uv that only notes what it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a check out"
        (self.root / "tools").mkdir(parents=True)
        for name in ("pyproject.toml", "uv.lock", "tools/setup.py", "tools/setup.sh"):
            shutil.copy(ROOT / name, self.root / name)
        self.bin = folder / "bin"
        self.bin.mkdir()
        (self.bin / "dirname").symlink_to(shutil.which("dirname") or "dirname")
        self.python = Path(os.path.realpath(sys.executable))
        self.log = folder / "asked"
        self.program("uv", FAKE_UV)
        self.program("python3", f'#!{SHELL}\nexec "{self.python}" "$@"\n')
        self.path = f"{self.bin}:{os.environ['PATH']}"

    def program(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)

    def start(self, **variables: str) -> subprocess.Popen[str]:
        environment = {
            **{key: value for key, value in os.environ.items() if key != "PYTHON"},
            "PATH": self.path,
            "XDG_CACHE_HOME": str(self.root.parent / "cache"),
            "FAKE_LOG": str(self.log),
            "FAKE_PYTHON": str(self.python),
            **variables,
        }
        command = [SHELL, str(self.root / "tools" / "setup.sh")]
        return subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def setup(self, **variables: str) -> subprocess.CompletedProcess[str]:
        process = self.start(**variables)
        out, err = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    @property
    def syncs(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_the_second_run_does_nothing_and_says_nothing(checkout: Checkout) -> None:
    first, second = checkout.setup(), checkout.setup()
    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    assert len(checkout.syncs) == 1
    assert first.stdout
    assert not second.stdout + second.stderr


@pytest.mark.parametrize("name", ["uv.lock", "pyproject.toml"])
def test_a_changed_lock_or_project_file_is_synced_again(checkout: Checkout, name: str) -> None:
    checkout.setup()
    with (checkout.root / name).open("a") as file:
        file.write("# changed\n")
    assert checkout.setup().returncode == 0
    assert len(checkout.syncs) == 2


def test_a_deleted_environment_is_made_again(checkout: Checkout) -> None:
    checkout.setup()
    shutil.rmtree(checkout.root / ".venv")
    assert checkout.setup().returncode == 0
    assert len(checkout.syncs) == 2


def test_two_at_once_are_one(checkout: Checkout) -> None:
    gate = checkout.root.parent / "gate"
    first = checkout.start(FAKE_GATE=str(gate))
    until(lambda: checkout.syncs)
    second = checkout.start(FAKE_GATE=str(gate))
    assert second.stdout is not None
    assert "waiting" in second.stdout.readline()
    gate.touch()
    for process in (first, second):
        process.communicate()
    assert (first.returncode, second.returncode) == (0, 0)
    assert len(checkout.syncs) == 1


def test_without_network_one_line_says_what_was_tried_and_how_to_retry(checkout: Checkout) -> None:
    failed = checkout.setup(FAKE_FAILURE="error: Failed to fetch: `https://example.com/simple/x/`")
    assert failed.returncode == 1
    (line,) = failed.stderr.splitlines()
    for part in ("package index", "network", "uv sync --locked", ".state/setup.log", "run: make setup"):
        assert part in line
    assert checkout.setup().returncode == 0, "a failed run leaves nothing that stops the next one"


def test_another_failure_is_told_in_the_tools_own_words(checkout: Checkout) -> None:
    failed = checkout.setup(FAKE_FAILURE="warning: x\nerror: The lockfile needs to be updated")
    (line,) = failed.stderr.splitlines()
    assert "The lockfile needs to be updated" in line
    assert "network" not in line


def test_only_the_cache_is_outside_the_checkout(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/a cache")
    monkeypatch.setenv("VIRTUAL_ENV", "/another")
    for name in ("UV_CACHE_DIR", "PIP_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    environment = setup.environment()
    assert environment["UV_CACHE_DIR"] == "/a cache/tpu-serving/uv"
    assert environment["PIP_CACHE_DIR"] == "/a cache/tpu-serving/pip"
    assert environment["UV_PROJECT_ENVIRONMENT"] == str(ROOT / ".venv")
    assert environment["UV_PYTHON_DOWNLOADS"] == "never"
    assert "VIRTUAL_ENV" not in environment
    checkout.setup()
    made = {path.name for path in checkout.root.iterdir()} - {"tools", "pyproject.toml", "uv.lock"}
    assert made == {".venv", ".state"}


def test_a_python_that_is_too_old_is_passed_over_for_a_newer_one(checkout: Checkout) -> None:
    checkout.program("python3", f"#!{SHELL}\necho Python 3.9.2; exit 1\n")
    checkout.program("python3.12", f'#!{SHELL}\nexec "{checkout.python}" "$@"\n')
    assert checkout.setup().returncode == 0
    assert len(checkout.syncs) == 1


@pytest.mark.parametrize("with_uv", [True, False], ids=["uv", "no uv"])
def test_no_fitting_python_is_said_in_one_line(checkout: Checkout, with_uv: bool) -> None:
    checkout.program("python3", f"#!{SHELL}\n[ $1 = -V ] && echo Python 3.9.2 || exit 1\n")
    if not with_uv:
        (checkout.bin / "uv").unlink()
    failed = checkout.setup(PATH=str(checkout.bin))
    assert failed.returncode == 1
    (line,) = failed.stderr.splitlines()
    assert "Python 3.11 or newer" in line
    assert ("uv could not download one" if with_uv else "found Python 3.9.2") in line


def test_a_named_python_that_does_not_fit_is_refused(checkout: Checkout) -> None:
    failed = checkout.setup(PYTHON="/nowhere/python")
    assert failed.returncode == 1
    assert "PYTHON=/nowhere/python" in failed.stderr


def test_a_uv_on_path_that_is_too_old_is_not_used(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(checkout.bin))
    monkeypatch.setattr(setup, "STATE", checkout.root)
    asked: list[Path] = []
    monkeypatch.setattr(setup, "install_uv", asked.append)
    monkeypatch.setenv("FAKE_VERSION", "0.4.1")
    assert setup.find_uv() == str(checkout.root / "uv" / "bin" / "uv")
    assert asked == [checkout.root / "uv"]
    monkeypatch.setenv("FAKE_VERSION", "0.13.9")
    assert setup.find_uv() == str(checkout.bin / "uv")


def test_a_wheel_that_is_not_the_known_one_is_not_run(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    other = checkout.root / "other.whl"
    other.write_bytes(b"something else")
    monkeypatch.setenv("XDG_CACHE_HOME", str(checkout.root))
    monkeypatch.setattr(setup, "PIP_WHEEL", other.as_uri())
    with pytest.raises(setup.SetupError, match="not the wheel"):
        setup.pip_wheel()
    monkeypatch.setattr(setup, "PIP_WHEEL", (checkout.root / "absent.whl").as_uri())
    with pytest.raises(setup.SetupError, match="Check the network"):
        setup.pip_wheel()
