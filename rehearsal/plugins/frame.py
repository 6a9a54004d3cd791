"""The frame of a provider plugin: Pulumi's provider protocol on one side, plain Python methods on the other.

A plugin subclasses `Provider` and ends with `if __name__ == "__main__": serve(MyProvider())`. Calls come from several
threads at once. What a method raises reaches the user as one line: `ProviderError` as it is worded, anything else as
an internal error whose traceback is in the plugin's log.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from providers.base import UNKNOWN, Change, DiffResult, ProviderError, Unknown, Values
from rehearsal.plugins.install import DIRECTORY_VARIABLE, install
from rehearsal.plugins.values import Secret, contains_unknown

__all__ = [
    "UNKNOWN",
    "Change",
    "CheckFailure",
    "DiffResult",
    "Engine",
    "PartialFailureError",
    "Provider",
    "ProviderError",
    "ReadResult",
    "Resource",
    "Secret",
    "Unknown",
    "Values",
    "contains_unknown",
    "install",
    "serve",
    "start",
]

MAX_MESSAGE_BYTES = 400 << 20
# Every resource in flight holds a thread while it waits; the engine's default is 4 to a core, `--parallel` may raise it.
THREADS = 256
PARENT_POLL_SECONDS = 1.0

Severity = Literal["debug", "info", "warning", "error"]

_log = logging.getLogger(__name__)


class PartialFailureError(ProviderError):
    """The resource exists but did not become usable: the engine keeps it in the state and reports the reasons."""

    def __init__(self, resource_id: str, state: Values, inputs: Values, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.resource_id = resource_id
        self.state = state
        self.inputs = inputs
        self.reasons = list(reasons)


@dataclass(frozen=True)
class Resource:
    """What a call is about: URN, type token and logical name."""

    urn: str
    type: str
    name: str


@dataclass(frozen=True)
class CheckFailure:
    """An input that can't be accepted; `property` is its path."""

    property: str
    reason: str


@dataclass(frozen=True)
class ReadResult:
    """A live resource: id, outputs, and the inputs that would give it."""

    id: str
    state: Values
    inputs: Values


class Engine:
    """The engine's log. Silent while no engine is attached."""

    def __init__(self, address: str = "") -> None:
        self._stub: Any = None
        if address:
            self.attach(address)

    def attach(self, address: str) -> None:
        options = [("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)]
        self._stub = engine_pb2_grpc.EngineStub(grpc.insecure_channel(address, options=options))

    def log(self, severity: Severity, message: str, urn: str = "", *, status: bool = False) -> None:
        """Show a message at a resource; a `status` is shown only until the next one."""
        if self._stub is None:
            return
        request = engine_pb2.LogRequest(
            severity=getattr(engine_pb2.LogSeverity, severity.upper()), message=message, urn=urn, ephemeral=status
        )
        try:
            self._stub.Log(request, timeout=10)
        except grpc.RpcError as error:  # the engine is gone; there is nobody to tell
            _log.warning("the engine takes no log: %s", error.code())


class Provider(ABC):
    """Base class of a plugin. Values are plain Python; an unknown one is `UNKNOWN` (only in previews).

    Outputs named like a secret input become secret by themselves; wrap others in `Secret`. `cancelled` is set when the
    user cancels: whatever waits should stop then and raise.
    """

    name = ""
    version = ""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.engine = Engine()

    def schema(self) -> str:
        """The package's schema as JSON."""
        return "{}"

    def check_config(self, old: Values, new: Values) -> tuple[Values, list[CheckFailure]]:
        """The provider's own inputs, checked. They may hold unknowns."""
        return new, []

    def diff_config(self, old: Values, new: Values) -> DiffResult:
        """What differs between two configurations of the provider; a `-replace` replaces all of its resources."""
        changed: dict[str, Change] = {k: "update" for k in {*old, *new} if old.get(k) != new.get(k)}
        return DiffResult(changed)

    @abstractmethod
    def configure(self, inputs: Values) -> None:
        """Called once before any resource call; never with unknowns (the engine does not call then)."""

    def check(self, resource: Resource, old: Values, new: Values, seed: bytes) -> tuple[Values, list[CheckFailure]]:
        """The inputs to use, with defaults. `old` is empty for a new resource; `seed` is for generated names."""
        return new, []

    @abstractmethod
    def diff(
        self, resource: Resource, resource_id: str, old_inputs: Values, state: Values, new: Values, ignore: list[str]
    ) -> DiffResult:
        """What would change. `state` are the old outputs, `ignore` the paths of `ignore_changes`."""

    @abstractmethod
    def create(self, resource: Resource, inputs: Values, timeout: float, preview: bool) -> tuple[str, Values]:
        """Make it: id and outputs. `timeout` in seconds, 0 for the default. The id may be empty in a preview."""

    @abstractmethod
    def read(self, resource: Resource, resource_id: str, inputs: Values, state: Values) -> ReadResult | None:
        """The live resource; None where there is none. Empty inputs and state mean an import."""

    @abstractmethod
    def update(
        self,
        resource: Resource,
        resource_id: str,
        old_inputs: Values,
        state: Values,
        new: Values,
        timeout: float,
        preview: bool,
    ) -> Values:
        """Change it in place: the new outputs."""

    @abstractmethod
    def delete(self, resource: Resource, resource_id: str, inputs: Values, state: Values, timeout: float) -> None:
        """Delete it; one that is gone already is no error."""

    def invoke(self, token: str, args: Values) -> tuple[Values, list[CheckFailure]]:
        """A function of the provider."""
        raise ProviderError(f"function {token} is not played by the rehearsal's {self.name} plugin")


def start(provider: Provider) -> tuple[grpc.Server, int]:
    """Serve on a free loopback port, in the background: the server and its port."""
    options = [
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ]
    # Here, because that module knows these classes; and a plugin's tests of pure functions need no server.
    from rehearsal.plugins.servicer import register

    server = grpc.server(ThreadPoolExecutor(THREADS, thread_name_prefix="call"), options=options)
    register(provider, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def serve(provider: Provider) -> None:
    """The plugin's main: serve until the engine ends or says so."""
    _log_to_file(provider.name)
    if len(sys.argv) > 1:
        provider.engine.attach(sys.argv[1])
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    parent = os.getppid()
    server, port = start(provider)
    print(port, flush=True)
    while not stopped.wait(PARENT_POLL_SECONDS):
        if os.getppid() != parent:  # the engine was killed
            break
    provider.cancelled.set()
    server.stop(grace=None)
    logging.shutdown()
    os._exit(0)  # calls that still wait must not keep the process


def _log_to_file(name: str) -> None:
    """Tracebacks go to the rehearsal's logs; what a plugin writes to stderr, the engine shows to the user."""
    directory = os.environ.get(DIRECTORY_VARIABLE)
    if not directory:
        return
    folder = Path(directory) / "logs"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        filename=folder / f"plugin-{name}.log",
        level=logging.INFO,
        format=f"%(asctime)sZ {os.getpid()} %(levelname)s %(name)s: %(message)s",
    )
