"""A process of a rehearsal: how it is started, logged and ended."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from rehearsal import die_with_parent
from rehearsal.directory import RehearsalDirectory

_LINES = 8
_KEPT = {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV", "KUBEBUILDER_ASSETS", "UV"}
_KEPT_PREFIXES = ("LC_", "XDG_", "TPU_SERVING_", "REHEARSAL_")


def environment(directory: RehearsalDirectory) -> dict[str, str]:
    """The environment of every process of a rehearsal: marked, able to import this package, and of the caller's variables
    only those that such a process needs. Tokens and credentials stay out, and so do proxies: nothing here talks to
    anything beyond loopback."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)}
    paths = (str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")]))
    return {**kept, **directory.environment, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}


def last_lines(log: Path) -> str:
    """`Last lines of PATH:` and the lines, as part of an error message."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LINES:]
    except OSError:
        lines = []
    shown = "\n".join(f"  {line[:300]}" for line in lines) or "  (empty)"
    return f"Last lines of {log}:\n{shown}"


class ChildError(Exception):
    """A process without which nothing works has ended; the message is for people."""


class Child:
    """One process, which the kernel ends with this one. Make it in the main thread (see `die_with_parent`)."""

    def __init__(self, directory: RehearsalDirectory, name: str, command: Sequence[str]) -> None:
        self.name, self._log = name, directory.logs / f"{name}.log"
        with open(self._log, "ab", opener=lambda path, flags: os.open(path, flags, 0o600)) as output:
            self._process = subprocess.Popen(
                die_with_parent.wrap(command),
                env=environment(directory),
                cwd=directory.root,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self) -> None:
        """Raise where it does not run any more.

        Raises:
            ChildError: how it ended, with the last lines of its log.
        """
        code = self._process.poll()
        if code is not None:
            how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            raise ChildError(f"{self.name} {how}. {last_lines(self._log)}")

    def end(self, grace: float) -> None:
        """SIGTERM, and SIGKILL after `grace` seconds."""
        self._process.terminate()
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
