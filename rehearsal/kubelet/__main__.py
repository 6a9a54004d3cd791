"""`python -m rehearsal.kubelet DIR`: the kubelet of all nodes of a rehearsal. Ends on SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
import threading
from pathlib import Path

import cluster as kube
from rehearsal.directory import DirectoryError, RehearsalDirectory
from rehearsal.kubelet import kubelet, leftovers


async def _serve(directory: RehearsalDirectory) -> None:
    stop = threading.Event()
    task = asyncio.current_task()
    assert task is not None

    def end() -> None:
        stop.set()
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end)
    client = await asyncio.to_thread(kube.connect_when_up, directory.kubeconfig, stop)
    if client is not None:
        await kubelet.run(directory, client)


def main(arguments: list[str]) -> int:
    """Exit code 0 after SIGTERM, 1 where the directory can't be used, 2 for wrong arguments."""
    if len(arguments) != 1:
        print("usage: python -m rehearsal.kubelet DIR", file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    directory = RehearsalDirectory(Path(arguments[0]))
    try:
        leftovers.end(directory)
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(_serve(directory))
    except (DirectoryError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
