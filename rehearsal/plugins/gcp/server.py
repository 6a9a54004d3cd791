"""Pulumi's provider protocol in front of the provider: the calls that the engine makes for a Python program.

`pulumi.provider.experimental` does not carry it: ADR 0028.
"""

# ruff: noqa: N802 (the protocol names the methods)
from __future__ import annotations

import functools
import logging
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc
from pulumi.runtime.rpc import UNKNOWN as UNKNOWN_ON_THE_WIRE

from providers.base import UNKNOWN, DiffResult, ProviderError, Values
from rehearsal.directory import RehearsalDirectory
from rehearsal.plugins.gcp.provider import GcpProvider
from rehearsal.plugins.install import DIRECTORY_VARIABLE

# Every resource in flight holds a thread while it waits; the engine's default is 4 to a core, `--parallel` may raise it.
THREADS = 256


def received(struct: struct_pb2.Struct) -> Values:
    """Values as the engine sends them: whole numbers are int. Secrets come in clear and stay secret by their name."""

    def one(value: Any) -> Any:
        if isinstance(value, float) and value.is_integer():
            return int(value)
        return UNKNOWN if value == UNKNOWN_ON_THE_WIRE else value

    values: Values = _each(json_format.MessageToDict(struct), one)
    return values


def sent(values: Values) -> struct_pb2.Struct:
    """The inverse of `received`."""
    plain = _each(values, lambda value: UNKNOWN_ON_THE_WIRE if value is UNKNOWN else value)
    return json_format.ParseDict(plain, struct_pb2.Struct())


def _each(value: Any, one: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        return {key: _each(inner, one) for key, inner in value.items()}
    return [_each(inner, one) for inner in value] if isinstance(value, list) else one(value)


def _refusing(call: Callable[[Any, Any], Any]) -> Callable[[Any, Any, Any], Any]:
    """A refusal reaches the user as it is worded; any other exception as gRPC says it, its traceback in the log."""

    @functools.wraps(call)
    def run(self: Any, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return call(self, request)
        except ProviderError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))

    return run


def _type(request: Any) -> str:
    """Of a URN `urn:pulumi:STACK::PROJECT::PARENT$TYPE::NAME`; the protocol's own field for it is empty in some calls."""
    return str(request.urn.split("::")[2].split("$")[-1])


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """The protocol's calls, converted to the plain methods of the provider."""

    def __init__(self, provider: GcpProvider) -> None:
        self._provider = provider

    @_refusing
    def GetPluginInfo(self, request: Any) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=version("pulumi-gcp"))

    @_refusing
    def Configure(self, request: Any) -> provider_pb2.ConfigureResponse:
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    @_refusing
    def Cancel(self, request: Any) -> empty_pb2.Empty:
        self._provider.cancelled.set()
        return empty_pb2.Empty()

    @_refusing
    def Check(self, request: Any) -> provider_pb2.CheckResponse:
        return provider_pb2.CheckResponse(inputs=sent(self._provider.check(_type(request), received(request.news))))

    @_refusing
    def Diff(self, request: Any) -> provider_pb2.DiffResponse:
        state, new = received(request.olds), received(request.news)
        return differing(self._provider.diff(_type(request), state, new, list(request.ignoreChanges)))

    @_refusing
    def Create(self, request: Any) -> provider_pb2.CreateResponse:
        made, state = self._provider.create(_type(request), received(request.properties), request.preview)
        return provider_pb2.CreateResponse(id=made, properties=sent(state))

    @_refusing
    def Read(self, request: Any) -> provider_pb2.ReadResponse:
        found = self._provider.read(_type(request), request.id, received(request.inputs))
        if found is None:
            return provider_pb2.ReadResponse(id="")
        return provider_pb2.ReadResponse(id=request.id, properties=sent(found[0]), inputs=sent(found[1]))

    @_refusing
    def Update(self, request: Any) -> provider_pb2.UpdateResponse:
        old, new = received(request.old_inputs), received(request.news)
        token, state = _type(request), received(request.olds)
        updated = self._provider.update(token, request.id, state, old, new, request.preview)
        return provider_pb2.UpdateResponse(properties=sent(updated))

    @_refusing
    def Delete(self, request: Any) -> empty_pb2.Empty:
        self._provider.delete(_type(request), request.id, received(request.properties))
        return empty_pb2.Empty()


def differing(result: DiffResult) -> provider_pb2.DiffResponse:
    """The protocol's form of a difference."""
    top = {path: path.split(".")[0].split("[")[0] for path in result.detailed}
    return provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME if top else provider_pb2.DiffResponse.DIFF_NONE,
        diffs=sorted(set(top.values())),
        replaces=sorted({top[path] for path, change in result.detailed.items() if change.endswith("replace")}),
        deleteBeforeReplace=result.delete_before_replace,
        detailedDiff={
            path: provider_pb2.PropertyDiff(kind=provider_pb2.PropertyDiff.Kind.Value(change.upper().replace("-", "_")))
            for path, change in result.detailed.items()
        },
        hasDetailedDiff=bool(top),
    )


def start(provider: GcpProvider) -> tuple[grpc.Server, int]:
    """Serve on a free loopback port, in the background: the server and its port."""
    limits = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.server(ThreadPoolExecutor(THREADS, thread_name_prefix="call"), options=limits)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Servicer(provider), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def main() -> None:
    """Serve the rehearsal that the environment names, until the engine is gone."""
    root = os.environ.get(DIRECTORY_VARIABLE)
    if not root:
        sys.exit(f"{DIRECTORY_VARIABLE} is not set: this plugin only works in a rehearsal.")
    # What a plugin writes to stderr, the engine shows to the user.
    log = Path(root) / "logs" / "plugin-gcp.log"
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    logging.basicConfig(filename=log, format=f"%(asctime)s {os.getpid()} %(levelname)s %(name)s: %(message)s")
    # The engine takes a call that is not implemented for the default; gRPC logs it with a traceback.
    logging.getLogger("grpc._server").addFilter(lambda r: "Method not implemented!" not in str(r.exc_info))
    engine = os.getppid()
    _, port = start(GcpProvider(RehearsalDirectory(Path(root))))
    print(port, flush=True)
    while os.getppid() == engine:
        threading.Event().wait(1)
    os._exit(0)  # calls that still wait must not keep the process
