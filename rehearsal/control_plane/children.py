"""The supervisor's child processes: how one is started, logged and ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rehearsal import die_with_parent
from rehearsal.directory import RehearsalDirectory

_LINES = 8
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
# A process that ran this long before it ended starts again after the first pause, seconds.
_STABLE = 30.0
_KEPT = {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV", "KUBEBUILDER_ASSETS", "UV"}
_KEPT_PREFIXES = ("LC_", "XDG_", "TPU_SERVING_", "REHEARSAL_")


def environment(directory: RehearsalDirectory) -> dict[str, str]:
    """The environment of every process of a rehearsal: marked, able to import this package, and of the caller's variables
    only those that such a process needs. Tokens and credentials stay out, and so do proxies: nothing here talks to
    anything beyond loopback."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)}
    paths = (str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")]))
    return {**kept, **directory.environment, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}


def rotate(log: Path) -> None:
    """Keep the previous run's log as `NAME.1`."""
    with contextlib.suppress(FileNotFoundError):
        log.replace(log.with_name(f"{log.name}.1"))


def last_lines(log: Path) -> str:
    """`Last lines of PATH:` and the lines, as part of an error message."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LINES:]
    except OSError:
        lines = []
    shown = "\n".join(f"  {line[:300]}" for line in lines) or "  (empty)"
    return f"Last lines of {log}:\n{shown}"


class Child:
    """One process and its restarts. It must be started from the main thread (see `die_with_parent`)."""

    def __init__(self, directory: RehearsalDirectory, name: str, command: Sequence[str]) -> None:
        self.name = name
        self.log = directory.logs / f"{name}.log"
        self.started = 0.0
        self._command = command
        self._environment: Mapping[str, str] = environment(directory)
        self._folder = directory.root
        self._process: subprocess.Popen[bytes] | None = None
        self._pause = _FIRST_PAUSE
        self._due = 0.0
        rotate(self.log)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Run it; its output is added to its log."""
        with self.log.open("ab") as output:
            os.fchmod(output.fileno(), 0o600)
            self._process = subprocess.Popen(
                die_with_parent.wrap(self._command),
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self.started = time.time()
        self._due = 0.0

    def runs(self) -> bool:
        """Whether it runs now."""
        return self._process is not None and self._process.poll() is None

    def how_it_ended(self) -> str:
        """`kube-apiserver ended with exit code 1. Last lines of ...`"""
        code = self._process.poll() if self._process else None
        if code is not None and code < 0:
            return f"{self.name} was ended by {signal.Signals(-code).name}. {last_lines(self.log)}"
        return f"{self.name} ended with exit code {code}. {last_lines(self.log)}"

    def restart_when_due(self) -> bool:
        """Start an ended process again, after a pause that doubles each time. True when it was started."""
        now = time.monotonic()
        if not self._due:
            stable = time.time() - self.started > _STABLE
            self._pause = _FIRST_PAUSE if stable else min(self._pause * 2, _LONGEST_PAUSE)
            self._due = now + self._pause
            return False
        if now < self._due:
            return False
        self.start()
        return True

    def terminate(self) -> None:
        """Ask it to end."""
        if self.runs() and self._process is not None:
            self._process.terminate()

    def wait(self, seconds: float) -> None:
        """Wait for its end; kill it after that time."""
        if self._process is None:
            return
        try:
            self._process.wait(max(seconds, 0))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
