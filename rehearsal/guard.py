"""Ends the engine once the control plane below it has ended: it would wait for it until the longest of its time limits."""

from __future__ import annotations

import threading
from types import TracebackType

from rehearsal import control_plane
from rehearsal.directory import RehearsalDirectory
from rehearsal.engine import recovery
from rehearsal.engine.engine import EngineError

_PERIOD_SECONDS = 1.0


class Guard:
    """Watches in a thread of its own within a `with` block; the engine's error becomes one that says what happened.

    Raises:
        ControlPlaneError: at the end of the block, where the control plane has ended within it and the engine failed.
    """

    def __init__(self, directory: RehearsalDirectory) -> None:
        self._directory = directory
        self._reason: str | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Guard:
        self._thread.start()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        if self._reason and isinstance(error, EngineError):
            raise control_plane.ControlPlaneError(
                f"the control plane ended meanwhile. Run the same command again: it goes on from there. {self._reason}"
            ) from None

    def _watch(self) -> None:
        while not self._stop.wait(_PERIOD_SECONDS):
            self._reason = control_plane.why_ended(self._directory)
            if self._reason:
                recovery.end_engines(self._directory)
                return
