"""Pulumi's provider protocol, each call converted to the plain method of a `Provider`."""

# ruff: noqa: N802 (the protocol names the methods)
from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf import empty_pb2
from google.rpc import status_pb2
from grpc_status import rpc_status
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from rehearsal.plugins.frame import (
    CheckFailure,
    DiffResult,
    PartialFailureError,
    Provider,
    ProviderError,
    Resource,
    Values,
)
from rehearsal.plugins.values import to_python, to_struct

Response = TypeVar("Response")

_log = logging.getLogger(__name__)


def register(provider: Provider, server: grpc.Server) -> None:
    """Let `server` answer the protocol's calls for `provider`."""
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Servicer(provider), server)


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """The protocol's calls, converted to the plain methods of a `Provider`."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.ProviderHandshakeResponse:
        if request.engine_address:
            self._provider.engine.attach(request.engine_address)
        return provider_pb2.ProviderHandshakeResponse()

    def Attach(self, request: Any, context: grpc.ServicerContext) -> empty_pb2.Empty:
        self._provider.engine.attach(request.address)
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=self._provider.version)

    def GetSchema(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.GetSchemaResponse:
        return provider_pb2.GetSchemaResponse(schema=self._provider.schema())

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> empty_pb2.Empty:
        self._provider.cancelled.set()
        return empty_pb2.Empty()

    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.CheckResponse:
        def call() -> provider_pb2.CheckResponse:
            return _checked(*self._provider.check_config(to_python(request.olds), to_python(request.news)))

        return self._run(context, request, call)

    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        def call() -> provider_pb2.DiffResponse:
            return _diffed(self._provider.diff_config(to_python(request.old_inputs), to_python(request.news)))

        return self._run(context, request, call)

    def Configure(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.ConfigureResponse:
        def call() -> provider_pb2.ConfigureResponse:
            self._provider.configure(to_python(request.args))
            # Secrets arrive in clear and the engine marks them again in what we return.
            return provider_pb2.ConfigureResponse(supportsPreview=True)

        return self._run(context, request, call)

    def Check(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.CheckResponse:
        def call() -> provider_pb2.CheckResponse:
            old, new = to_python(request.olds), to_python(request.news)
            return _checked(*self._provider.check(_resource(request), old, new, request.randomSeed))

        return self._run(context, request, call)

    def Diff(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        def call() -> provider_pb2.DiffResponse:
            inputs, state, new = to_python(request.old_inputs), to_python(request.olds), to_python(request.news)
            ignore = list(request.ignoreChanges)
            return _diffed(self._provider.diff(_resource(request), request.id, inputs, state, new, ignore))

        return self._run(context, request, call)

    def Create(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.CreateResponse:
        def call() -> provider_pb2.CreateResponse:
            inputs = to_python(request.properties)
            made, state = self._provider.create(_resource(request), inputs, request.timeout, request.preview)
            return provider_pb2.CreateResponse(id=made, properties=to_struct(state))

        return self._run(context, request, call)

    def Read(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.ReadResponse:
        def call() -> provider_pb2.ReadResponse:
            inputs, state = to_python(request.inputs), to_python(request.properties)
            found = self._provider.read(_resource(request), request.id, inputs, state)
            if found is None:
                return provider_pb2.ReadResponse(id="")
            return provider_pb2.ReadResponse(
                id=found.id, properties=to_struct(found.state), inputs=to_struct(found.inputs)
            )

        return self._run(context, request, call)

    def Update(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.UpdateResponse:
        def call() -> provider_pb2.UpdateResponse:
            state = self._provider.update(
                _resource(request),
                request.id,
                to_python(request.old_inputs),
                to_python(request.olds),
                to_python(request.news),
                request.timeout,
                request.preview,
            )
            return provider_pb2.UpdateResponse(properties=to_struct(state))

        return self._run(context, request, call)

    def Delete(self, request: Any, context: grpc.ServicerContext) -> empty_pb2.Empty:
        def call() -> empty_pb2.Empty:
            inputs, state = to_python(request.old_inputs), to_python(request.properties)
            self._provider.delete(_resource(request), request.id, inputs, state, request.timeout)
            return empty_pb2.Empty()

        return self._run(context, request, call)

    def Invoke(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.InvokeResponse:
        def call() -> provider_pb2.InvokeResponse:
            values, failures = self._provider.invoke(request.tok, to_python(request.args))
            response = provider_pb2.InvokeResponse(failures=_failures(failures))
            getattr(response, "return").CopyFrom(to_struct(values))
            return response

        return self._run(context, request, call)

    def _run(self, context: grpc.ServicerContext, request: Any, call: Callable[[], Response]) -> Response:
        """The call's answer, or its error as a gRPC status."""
        try:
            return call()
        except PartialFailureError as failure:
            _abort(context, failure)
        except ProviderError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        except Exception as error:
            what = f"{type(request).__name__} {getattr(request, 'urn', '')}"
            _log.exception("%s failed", what)
            name = self._provider.name
            context.abort(grpc.StatusCode.INTERNAL, f"internal error in plugin {name}: {type(error).__name__}: {error}")


def _abort(context: grpc.ServicerContext, failure: PartialFailureError) -> NoReturn:
    """End the call with the detail in which the engine looks for a resource that was made but is not usable."""
    detail = provider_pb2.ErrorResourceInitFailed(
        id=failure.resource_id,
        properties=to_struct(failure.state),
        inputs=to_struct(failure.inputs),
        reasons=failure.reasons,
    )
    code = grpc.StatusCode.FAILED_PRECONDITION
    status = status_pb2.Status(code=code.value[0], message=str(failure))
    status.details.add().Pack(detail)
    context.abort_with_status(rpc_status.to_status(status))


def _resource(request: Any) -> Resource:
    """Older engines send the URN only: `urn:pulumi:<stack>::<project>::<parent types$type>::<name>`."""
    _, _, types, name = request.urn.split("::", 3)
    return Resource(request.urn, request.type or types.split("$")[-1], request.name or name)


def _failures(failures: Sequence[CheckFailure]) -> list[provider_pb2.CheckFailure]:
    return [provider_pb2.CheckFailure(property=f.property, reason=f.reason) for f in failures]


def _checked(inputs: Values, failures: Sequence[CheckFailure]) -> provider_pb2.CheckResponse:
    return provider_pb2.CheckResponse(inputs=to_struct(inputs), failures=_failures(failures))


def _diffed(result: DiffResult) -> provider_pb2.DiffResponse:
    kinds = {
        path: provider_pb2.PropertyDiff(
            kind=provider_pb2.PropertyDiff.Kind.Value(change.upper().replace("-", "_")), inputDiff=True
        )
        for path, change in result.detailed.items()
    }
    top = {path: path.split(".")[0].split("[")[0] for path in result.detailed}
    return provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME if kinds else provider_pb2.DiffResponse.DIFF_NONE,
        diffs=sorted(set(top.values())),
        replaces=sorted({top[p] for p, change in result.detailed.items() if change.endswith("replace")}),
        deleteBeforeReplace=result.delete_before_replace,
        detailedDiff=kinds,
        hasDetailedDiff=bool(kinds),
    )
