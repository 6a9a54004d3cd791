"""A process that does nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping


def idle(environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Runs until it is ended or told a line. Its environment can be read: until a program runs, /proc has none of it."""
    code = "print(flush=True); input()"
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    assert process.stdout is not None
    process.stdout.readline()
    return process
