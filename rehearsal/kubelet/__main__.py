"""`python -m rehearsal.kubelet DIR`: the kubelet of all nodes of a rehearsal. Ends on SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import sys

from rehearsal import emulator
from rehearsal.kubelet.kubelet import Kubelet


async def _serve(own: emulator.Emulator) -> None:
    task = asyncio.create_task(Kubelet(own).run())
    task.add_done_callback(lambda _: own.stop.set())
    await asyncio.to_thread(own.stop.wait)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


if __name__ == "__main__":
    sys.exit(emulator.main(sys.argv[1:], lambda own: asyncio.run(_serve(own))))
