"""Runs the load generator's process, writes down what it tells, and asks the servers at both edges of each window."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from serving.bench.counters import Reading
from serving.bench.events import Event, LoadOrder, line
from serving.bench.run_file import RunFile
from serving.bench.verdict import Ending

_SHOWN_LINES = 3


class GeneratorError(Exception):
    """The load generator exited unexpectedly; the message has its last output."""


def run_load(order: LoadOrder, file: RunFile, ask: Callable[[], Reading], tell: Callable[[Event], None]) -> Ending:
    """One run. `ask` reads the servers' counters, `tell` gets every event.

    The first Ctrl-C ends the run, not the command; the second one the command.

    Raises:
        GeneratorError: the load generator failed; what was measured is in the file.
    """
    command = [sys.executable, "-m", "serving.bench.generator"]
    with tempfile.TemporaryFile("w+") as words, ThreadPoolExecutor(1) as asking:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=words,
            text=True,
            cwd=Path(__file__).resolve().parents[2],
            start_new_session=True,  # Ctrl-C is for the command, which passes it on
        )
        driving = _Driver(process, file, ask, tell, asking)
        before = signal.signal(signal.SIGINT, driving.interrupt)
        try:
            ending = driving.run(order)
        finally:
            signal.signal(signal.SIGINT, before)
            process.kill()
            process.wait()
        if ending is Ending.BROKEN:
            words.seek(0)
            last = [text.strip() for text in words.read().splitlines() if text.strip()][-_SHOWN_LINES:]
            raise GeneratorError("the load generator exited unexpectedly: " + (" | ".join(last) or "no output"))
    return ending


class _Driver:
    def __init__(
        self,
        process: subprocess.Popen[str],
        file: RunFile,
        ask: Callable[[], Reading],
        tell: Callable[[Event], None],
        asking: ThreadPoolExecutor,
    ) -> None:
        self._process, self._file, self._ask, self._tell, self._asking = process, file, ask, tell, asking
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._readings: list[tuple[int, Future[Reading]]] = []
        self._interrupted = False

    def interrupt(self, *_: Any) -> None:
        """What Ctrl-C does."""
        if self._interrupted:
            raise KeyboardInterrupt
        self._interrupted = True
        self._process.terminate()

    def run(self, order: LoadOrder) -> Ending:
        """From the order to the last word."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # why it is gone, its last words say
            self._process.stdin.write(order.text() + "\n")
            self._process.stdin.flush()
        threading.Thread(target=self._pump, daemon=True).start()
        ending, at = Ending.BROKEN, 0.0
        # Lines are taken from the pipe in another thread: a slow disk must not hold up the load.
        while (text := self._lines.get()) is not None:
            event = json.loads(text)
            self._file.write(text.rstrip("\n"))
            self._take(event)
            at = float(event.get("at", at))
            if event["kind"] == "end":
                ending = Ending(event["ending"])
        for level, reading in self._readings:
            self._file.reading(level, reading.result())
        if ending is Ending.BROKEN:
            ending = Ending.INTERRUPTED if self._interrupted else ending
            self._file.write(line("end", {"ending": ending, "at": at}))
        return ending

    def _take(self, event: Event) -> None:
        if event["kind"] in ("window-begins", "window-ends"):
            self._readings.append((int(event["level"]), self._asking.submit(self._ask)))
        self._tell(event)

    def _pump(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            self._lines.put(text)
        self._lines.put(None)
