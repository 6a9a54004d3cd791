"""Ask many questions at once, each within its own time; what takes longer is left behind and says so."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

Answer = TypeVar("Answer")

# After this time without an answer, seconds, progress is told (again).
_TELL_SECONDS = 5.0


def run_all(
    limits: Mapping[str, float],
    ask: Callable[[str], Answer],
    late: Callable[[str, float], Answer],
    progress: Callable[[str], None],
    tell_seconds: float = _TELL_SECONDS,
) -> dict[str, Answer]:
    """The answer to every question, in the order in which they came.

    Args:
        limits: name of each question -> what it may take, in seconds.
        ask: called in a thread of its own for each name; must not raise.
        late: the answer of a question whose time is up, with the seconds it was waited for.
        progress: gets a line with what is still asked when nothing came for `tell_seconds`.
    """
    done: queue.Queue[tuple[str, Answer]] = queue.Queue()
    started = time.monotonic()
    waiting = dict(limits)
    for name in limits:
        # A daemon: a thread that hangs in a system call must not keep the program from ending.
        threading.Thread(target=lambda asked=name: done.put((asked, ask(asked))), name=name, daemon=True).start()
    answers: dict[str, Answer] = {}
    while waiting:
        left = min(waiting.values()) - (time.monotonic() - started)
        try:
            name, answer = done.get(timeout=max(0.0, min(left, tell_seconds)))
        except queue.Empty:
            elapsed = time.monotonic() - started
            for over in [name for name, limit in waiting.items() if elapsed >= limit]:
                answers[over] = late(over, elapsed)
                del waiting[over]
            if waiting and left > 0:
                progress(f"{elapsed:.0f} s: still asking {', '.join(waiting)}")
            continue
        if name in waiting:
            answers[name] = answer
            del waiting[name]
    return answers
