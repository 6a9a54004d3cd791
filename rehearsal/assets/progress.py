"""Progress of making assets: the events, and how they are shown."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status


class Phase(StrEnum):
    """What happens to an asset. `END` comes once, at the very end, whatever happened."""

    WAITING = "waiting"
    DOWNLOADING = "downloading"
    BUILDING = "building"
    READY = "ready"
    END = "end"


@dataclass(frozen=True)
class Event:
    """`estimate`: seconds that this phase takes about, None if unknown; `elapsed`: seconds of it so far.

    `remaining` is the estimate of all that comes after this asset, in seconds. `note` is for people.
    """

    asset: str
    phase: Phase
    estimate: float | None = None
    elapsed: float = 0.0
    remaining: float = 0.0
    note: str = ""


Progress = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Progress that nobody looks at."""


def show(console: Console) -> Progress:
    """Progress for people: one line that changes on a terminal, else a line a phase and one every half minute."""
    return _Terminal(console) if console.is_terminal else _Plain(console)


def line(event: Event) -> str:
    """An event in words."""
    words = f"{event.phase} {event.asset}"
    if event.phase is Phase.READY:
        return f"  {event.asset} {event.note}"
    if event.phase is Phase.WAITING:
        return f"{words}: {event.note}"
    if event.estimate:
        words += f", about {duration(event.estimate)}"
    if event.elapsed >= 1:
        words += f", {duration(event.elapsed)} so far"
    if event.remaining >= 1:
        words += f"; then about {duration(event.remaining)} more"
    return f"{words} ({event.note})" if event.note else words


def duration(seconds: float) -> str:
    """`45 s`, or minutes from 100 s on."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


class _Terminal:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        with self._lock:
            if event.phase is Phase.END:
                if self._status:
                    self._status.stop()
                    self._status = None
            elif event.phase is Phase.READY:
                self._console.print(line(event), highlight=False, markup=False)
            elif self._status:
                self._status.update(_plain(line(event)))
            else:
                self._status = self._console.status(_plain(line(event)))
                self._status.start()


class _Plain:
    # Seconds between two lines of one phase.
    _EVERY = 30.0

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said: dict[tuple[str, Phase], float] = {}
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        if event.phase is Phase.END:
            return
        with self._lock:
            last = self._said.get((event.asset, event.phase))
            if last is None or event.elapsed - last >= self._EVERY:
                self._said[event.asset, event.phase] = event.elapsed
                self._console.print(line(event), highlight=False, markup=False)


def _plain(text: str) -> str:
    """Text in which rich sees no markup."""
    from rich.markup import escape

    return escape(text)
