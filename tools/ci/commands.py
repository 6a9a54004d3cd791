"""Commands of other programs: shown as a person would type them, and run until one fails."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from checks.environment import require
from settings.derive import Deployment
from settings.document import ROOT, find_environment, read_document
from settings.refusal import RefusedError


@dataclass(frozen=True)
class Command:
    """A program with its arguments.

    `into`: the file that takes its standard output; `variable`: one for it alone; it is left out where `unless` succeeds.
    """

    arguments: tuple[str, ...]
    into: Path | None = None
    variable: tuple[str, str] | None = None
    unless: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """As a person would type it."""
        first = "python" if self.arguments[0] == sys.executable else self.arguments[0]
        text = shlex.join([first, *self.arguments[1:]])
        if self.variable is not None:
            text = f"{self.variable[0]}={shlex.quote(self.variable[1])} {text}"
        if self.unless:
            text = f"{shlex.join(self.unless)} || {text}"
        return text + (f" > {shlex.quote(str(self.into))}" if self.into else "")

    def run(self, *, capture: bool = False) -> subprocess.CompletedProcess[str]:
        """Run it, its name on standard error; `capture` keeps what it prints."""
        if self.unless and subprocess.run(self.unless, cwd=ROOT, capture_output=True, check=False).returncode == 0:
            sys.stderr.write(f"= {shlex.join(self.unless)}\n")
            return subprocess.CompletedProcess(self.unless, 0, "", "")
        sys.stderr.write(f"+ {self.shown}\n")
        if self.into is not None:
            self.into.parent.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            self.arguments,
            cwd=ROOT,
            env={**os.environ, **dict([self.variable] if self.variable else [])},
            stdin=subprocess.DEVNULL if capture or self.into else None,
            stdout=subprocess.PIPE if capture or self.into else None,
            stderr=subprocess.STDOUT if capture and not self.into else None,
            text=True,
            check=False,
        )
        if self.into is not None and done.returncode == 0:
            self.into.write_text(done.stdout, encoding="utf-8")
        return done


def run_all(commands: list[Command]) -> int:
    """Run them until one fails; the exit code is 1 then, whatever the program's was."""
    return int(any(command.run().returncode for command in commands))


def run_or_print(
    environment: str,
    commands_of: Callable[[Deployment], list[Command]],
    *,
    dry_run: bool,
    run: Callable[[list[Command]], int] = run_all,
) -> int:
    """Run the commands for an environment, or print them; 2 where the environment is refused or a program is missing."""
    try:
        deployment, _ = require(read_document(find_environment(environment)))
    except RefusedError as refused:
        sys.stderr.write(f"{refused}\n")
        return 2
    commands = commands_of(deployment)
    if dry_run:
        print("\n".join(command.shown for command in commands))
        return 0
    if missing := sorted({c.arguments[0] for c in commands if shutil.which(c.arguments[0]) is None}):
        sys.stderr.write(f"not on the PATH: {', '.join(missing)} (docs/ci.md says what a pipeline needs)\n")
        return 2
    return run(commands)
