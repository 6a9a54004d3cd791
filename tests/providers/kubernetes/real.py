"""The real kubernetes provider, driven over its own protocol as the engine does."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import json_format, struct_pb2
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

Json = dict[str, Any]
# Marks a value in a property bag (pulumi/pulumi sdk/go/common/resource/sig).
_SIGNATURE = "4dabf18193072939515e22adb298388d"
RELEASE = "urn:pulumi:stack::project::kubernetes:helm.sh/v3:Release::x"
_CHANGES = {
    provider_pb2.PropertyDiff.ADD: "add",
    provider_pb2.PropertyDiff.ADD_REPLACE: "add-replace",
    provider_pb2.PropertyDiff.DELETE: "delete",
    provider_pb2.PropertyDiff.DELETE_REPLACE: "delete-replace",
    provider_pb2.PropertyDiff.UPDATE: "update",
    provider_pb2.PropertyDiff.UPDATE_REPLACE: "update-replace",
}


def secret(value: Any) -> Json:
    """A value that is marked secret."""
    return {_SIGNATURE: "1b47061264138c4ac30d75fd1eb44270", "value": value}


def urn_of(obj: Mapping[str, Any]) -> str:
    """A URN of an object's type."""
    return f"urn:pulumi:stack::project::kubernetes:{obj['apiVersion']}:{obj['kind']}::x"


def packed(values: Mapping[str, Any]) -> struct_pb2.Struct:
    """A property bag."""
    return json_format.ParseDict(dict(values), struct_pb2.Struct())


def unpacked(values: struct_pb2.Struct) -> Json:
    """The values of a bag; secrets in clear."""
    return dict(_plain(json_format.MessageToDict(values)))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return _plain(value["value"]) if _SIGNATURE in value else {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Provider:
    """A configured provider. Errors of its answers are grpc.RpcError."""

    def __init__(self, channel: grpc.Channel, **options: str) -> None:
        self._stub = provider_pb2_grpc.ResourceProviderStub(channel)
        variables = {f"kubernetes:config:{key}": value for key, value in options.items()}
        self._stub.Configure(
            provider_pb2.ConfigureRequest(variables=variables, args=packed(options), acceptSecrets=False)
        )

    def diff(self, urn: str, name: str, state: Json, inputs: Json, ignore: Sequence[str] = ()) -> dict[str, str]:
        """What the provider says of new inputs: property path -> change; `ignore` are the resource's ignoreChanges."""
        answer = self._stub.Diff(
            provider_pb2.DiffRequest(
                id=name, urn=urn, olds=packed(state), news=packed(inputs), ignoreChanges=list(ignore)
            )
        )
        return {path: _CHANGES[found.kind] for path, found in answer.detailedDiff.items()}

    def create(self, inputs: Json, timeout: float = 0) -> tuple[str, Json]:
        """Id and state of a new object; `timeout` is what the provider may wait for it, 0 its own default, seconds."""
        request = provider_pb2.CreateRequest(urn=urn_of(inputs), properties=packed(inputs), timeout=timeout)
        answer = self._stub.Create(request)
        return answer.id, unpacked(answer.properties)

    def read(self, urn: str, name: str, state: Json, inputs: Json) -> tuple[str, Json]:
        """Id and state of an object as it is now; an empty id where it is gone."""
        answer = self._stub.Read(
            provider_pb2.ReadRequest(id=name, urn=urn, properties=packed(state), inputs=packed(inputs))
        )
        return answer.id, unpacked(answer.properties)

    def update(self, urn: str, name: str, state: Json, inputs: Json) -> Json:
        """The state after an update."""
        request = provider_pb2.UpdateRequest(id=name, urn=urn, olds=packed(state), news=packed(inputs))
        return unpacked(self._stub.Update(request).properties)


@contextmanager
def running(program: Path, folder: Path, kubeconfig: Path | None = None) -> Iterator[grpc.Channel]:
    """A provider's process, which ends with the block; without a kubeconfig no cluster can be reached."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "KUBECONFIG": str(kubeconfig or folder / "none")}
    with subprocess.Popen(
        [str(program), "127.0.0.1:1"], env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            options = [("grpc.max_receive_message_length", -1)]
            with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
                yield channel
        finally:
            process.kill()
