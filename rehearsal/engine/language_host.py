"""Pulumi's language host for Python in a rehearsal's plugin cache, with which the ordinary CLI runs the program and the policy pack.

The Go program that Pulumi's release brings installs packages besides; here they are those of the interpreter that runs it.
"""

# ruff: noqa: N802 (the protocol names the methods)
from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from queue import Queue
from typing import IO, Any

import grpc
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

from rehearsal.engine.engine import program

_THREADS = 16
# Pulumi's messages are larger than what gRPC takes by itself (pulumi/sdk/python/lib/pulumi/runtime/_grpc_settings.py).
_LARGEST_BYTES = 1024 * 1024 * 400


class LanguageHost(LanguageServer):
    """What the Automation API answers for a program in its own process, and plugins that are written in Python."""

    def __init__(self, engine: str) -> None:
        super().__init__(program)
        self._engine = engine

    def Run(self, request: Any, context: Any) -> Any:
        """The program's log goes to the engine, whose address the Automation API would send as the only argument."""
        request.args[:] = [self._engine]
        return super().Run(request, context)  # type: ignore[no-untyped-call]

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=version("pulumi"))

    def RunPlugin(self, request: Any, context: Any) -> Iterator[Any]:
        """Run the policy pack in `program_directory`: the engine's only plugin in Python here."""
        pack = request.info.program_directory or request.pwd
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "pulumi.policy", *request.args, pack],
            cwd=pack,
            env={**os.environ, **dict(entry.split("=", 1) for entry in request.env)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        context.add_callback(process.kill)
        assert process.stdout is not None and process.stderr is not None
        said: Queue[Any] = Queue()
        readers = [
            threading.Thread(target=_read, args=(stream, response, said), daemon=True)
            for stream, response in ((process.stdout, _out), (process.stderr, _err))
        ]
        for reader in readers:
            reader.start()
        for _ in readers:
            yield from iter(said.get, None)
        yield language_pb2.RunPluginResponse(exitcode=process.wait())


def _out(line: bytes) -> Any:
    return language_pb2.RunPluginResponse(stdout=line)


def _err(line: bytes) -> Any:
    return language_pb2.RunPluginResponse(stderr=line)


def _read(stream: IO[bytes], response: Callable[[bytes], Any], said: Queue[Any]) -> None:
    """Each line as a response; None once the stream has ended."""
    for line in stream:
        said.put(response(line))
    said.put(None)


def main() -> None:
    """Serve until the engine ends this process; its first line is the port, as the engine reads it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # with it the engine ends a plugin that it no longer needs
    sizes = [("grpc.max_receive_message_length", _LARGEST_BYTES), ("grpc.max_send_message_length", _LARGEST_BYTES)]
    server = grpc.server(ThreadPoolExecutor(_THREADS), options=sizes)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageHost(sys.argv[-1]), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
