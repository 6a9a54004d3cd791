"""One process group on this machine: start with a log, wait, signal, kill."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

from rehearsal.die_with_parent import wrap


class Process:
    """A running command with everything that it started in its group."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, argv: list[str], environment: dict[str, str], folder: Path, log: Path | None) -> Process:
        """Start a command in a group of its own; it dies with this process. `log` takes both outputs.

        Raises OSError where it can't be started.
        """
        output = asyncio.subprocess.DEVNULL
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
            output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            started = await asyncio.create_subprocess_exec(
                *wrap(argv),
                env=environment,
                cwd=folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        finally:
            if log is not None:
                os.close(output)
        return cls(started)

    @property
    def pid(self) -> int:
        """Process id, and the id of its group."""
        return self._process.pid

    async def wait(self) -> int:
        """Exit code as a container has it: 128 and the signal's number for a killed one. The rest of its group ends too."""
        code = await self._process.wait()
        self.kill()
        return code if code >= 0 else 128 - code

    def signal(self, number: signal.Signals) -> None:
        """Signal the whole group; nothing where it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """SIGKILL to the whole group."""
        self.signal(signal.SIGKILL)

    async def stop(self, grace: float) -> int:
        """SIGTERM, SIGKILL after `grace` seconds, and the exit code."""
        self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace):
                return await self.wait()
        except TimeoutError:
            self.kill()
            return await self.wait()
