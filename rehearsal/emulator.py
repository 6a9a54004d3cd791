"""What the processes of the emulators share: their one argument, their log, their end on SIGTERM, their clients."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cluster as kube
from rehearsal.directory import RehearsalDirectory


class StoppedError(Exception):
    """The process is to end."""


@dataclass(frozen=True)
class Emulator:
    """A process that acts in a rehearsal's cluster until `stop` is set."""

    directory: RehearsalDirectory
    stop: threading.Event = field(default_factory=threading.Event)

    def connect(self) -> kube.DynamicClient:
        """A new client, as soon as the API server answers. Each thread has its own: their discovery is not shared safely.

        Raises:
            StoppedError: `stop` was set before.
        """
        client = kube.connect_when_up(self.directory.kubeconfig, self.stop)
        if client is None:
            raise StoppedError
        return client

    def store(
        self, api_version: str, kind: str, on_change: Callable[[], None] | None = None, **selectors: str
    ) -> kube.Store:
        """All objects of a kind, kept up to date.

        Raises:
            StoppedError: `stop` was set before.
        """
        return kube.Store(self.connect(), api_version, kind, stop=self.stop, on_change=on_change, **selectors)


def main(arguments: list[str], run: Callable[[Emulator], None]) -> int:
    """Run an emulator on the directory that is the only argument."""
    (path,) = arguments
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    own = Emulator(RehearsalDirectory(Path(path)))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: own.stop.set())
    with contextlib.suppress(StoppedError):
        run(own)
    return 0
