"""`python -m rehearsal.model_server.ray_head HOST PORT`: the head that hosts join; prints `ready` when it listens.

It ends with the group of processes that it was started in: a container's, whose main process leads the group.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys

_WATCH_SECONDS = 0.5


class Head:
    """Keeps the names of the hosts that are connected."""

    def __init__(self, own_name: str) -> None:
        self._own = own_name
        self._joined: dict[asyncio.StreamWriter, str] = {}

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: a question, or a membership that lasts as long as it does."""
        try:
            words = (await reader.readline()).decode(errors="replace").split()
            if words == ["nodes"]:
                writer.write(f"{' '.join([self._own, *self._joined.values()])}\n".encode())
                await writer.drain()
            elif len(words) == 2 and words[0] == "join":
                self._joined[writer] = words[1]
                writer.write(b"ok\n")
                await reader.read()
        except OSError:
            return
        finally:
            self._joined.pop(writer, None)
            writer.close()


async def serve(host: str, port: int) -> None:
    """Until the leader of the process group is gone. Raises OSError where the port is taken."""
    leader = os.getpgid(0)
    server = await asyncio.start_server(Head(socket.gethostname()).connected, host, port)
    print("ready", flush=True)
    while _alive(leader):
        await asyncio.sleep(_WATCH_SECONDS)
    server.close()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    try:
        asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
    except OSError as problem:
        sys.exit(f"ray head: {problem}")
