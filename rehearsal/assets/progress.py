"""Progress of making assets, as people see it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


class Progress:
    """One line that changes on a terminal, else a line every half minute; nothing without a console."""

    _EVERY = 30.0  # seconds

    def __init__(self, console: Console | None) -> None:
        self._console = console
        self._status = console.status("") if console and console.is_terminal else None
        self._last, self._said = "", 0.0

    def __enter__(self) -> None:
        if self._status:
            self._status.start()

    def __exit__(self, *_: object) -> None:
        if self._status:
            self._status.stop()

    def done(self, text: str) -> None:
        """Something that stays to be read."""
        if self._console:
            self._console.print(text, highlight=False, markup=False)

    def now(self, text: str) -> None:
        """What goes on at the moment, until the first comma; then how far it is."""
        if self._status:
            self._status.update(text.replace("[", r"\["))
        elif text.split(",")[0] != self._last or time.monotonic() - self._said >= self._EVERY:
            self._last, self._said = text.split(",")[0], time.monotonic()
            self.done(text)

    def building(self, name: str, left: str, elapsed: float) -> None:
        """How far a build is; `left` is the estimate of it and what follows."""
        self.now(f"building {name}, {duration(elapsed)} so far; with what follows {left}")


def duration(seconds: float) -> str:
    """`45 s`, or minutes from 100 s on."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
