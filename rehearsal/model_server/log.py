"""Lines in the form of vLLM's log: level, time, place, text."""

from __future__ import annotations

import sys
import time


def info(text: str) -> None:
    """A line of what happens."""
    _write("INFO", text)


def warning(text: str) -> None:
    """A line of what is odd."""
    _write("WARNING", text)


def error(text: str) -> None:
    """A line of why it ends."""
    _write("ERROR", text)


def _write(level: str, text: str) -> None:
    print(f"{level} {time.strftime('%m-%d %H:%M:%S')} [rehearsal] {text}", file=sys.stderr, flush=True)
