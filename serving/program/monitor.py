"""The recording monitor: pulumi's own MockMonitor, which keeps what every registration said."""

from __future__ import annotations

from typing import Any

from google.protobuf.struct_pb2 import Struct
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.proto.resource_pb2 import RegisterResourceResponse
from pulumi.runtime.rpc import UNKNOWN as UNKNOWN_SENTINEL
from pulumi.runtime.rpc import _special_secret_sig, _special_sig_key

from serving.program.record import SECRET, UNKNOWN, Resource

_READ = ("apiVersion", "kind", "metadata", "status")


class _FreshCloud(Mocks):
    """Knows nothing yet."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        return "", dict(args.inputs)

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        return {}, None


class RecordingMonitor(MockMonitor):
    """Keeps every RegisterResource request, in the order of arrival.

    Answers as a provider does in the preview of something new: the inputs, of Kubernetes objects metadata and status, and
    nothing it does not know yet.
    """

    def __init__(self) -> None:
        super().__init__(_FreshCloud())
        self.recorded: list[Resource] = []

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type != "pulumi:pulumi:Stack":
            secrets: list[str] = []
            self.recorded.append(
                Resource(
                    urn=urn,
                    name=request.name,
                    type=request.type,
                    parent=request.parent or None,
                    depends_on=sorted(set(request.dependencies)),
                    provider=request.provider.rsplit("::", 1)[0] or None,
                    custom=request.custom,
                    protect=request.protect,
                    inputs=_fields(request.object, secrets, ""),
                    deleted_with=request.deletedWith or None,
                    retain_on_delete=request.retainOnDelete,
                    timeouts={
                        k: v for k in ("create", "update", "delete") if (v := getattr(request.customTimeouts, k))
                    },
                    secrets=secrets,
                    ignore_changes=list(request.ignoreChanges),
                    replace_on_changes=list(request.replaceOnChanges),
                    property_dependencies={k: sorted(v.urns) for k, v in request.propertyDependencies.items()},
                )
            )
        # The inputs come back as they are: MockMonitor would take them apart and put them together again.
        answer = request.object
        if request.type.startswith("kubernetes:") and not request.type.startswith("kubernetes:helm.sh/"):
            # A program reads the name of an object. To hand its specification back would take a tenth of a run.
            answer = Struct(fields={key: request.object.fields[key] for key in _READ if key in request.object.fields})
        return RegisterResourceResponse(urn=urn, object=answer)


def _fields(struct: Any, secrets: list[str], path: str) -> dict[str, Any]:
    """The wire keeps no order of keys; sorted, two runs say the same."""
    return {key: _plain(struct.fields[key], secrets, f"{path}.{key}".lstrip(".")) for key in sorted(struct.fields)}


def _plain(value: Any, secrets: list[str], path: str) -> Any:
    """Wire values in words: unknowns named, secrets hidden and their paths noted, whole numbers whole."""
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return UNKNOWN if value.string_value == UNKNOWN_SENTINEL else value.string_value
    if kind == "struct_value":
        fields = value.struct_value.fields
        if _special_sig_key in fields and fields[_special_sig_key].string_value == _special_secret_sig:
            secrets.append(path)
            return SECRET
        return _fields(value.struct_value, secrets, path)
    if kind == "list_value":
        return [_plain(inner, secrets, f"{path}[{index}]") for index, inner in enumerate(value.list_value.values)]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    return value.bool_value if kind == "bool_value" else None
