"""Property values on the wire and in Python.

The engine sends `google.protobuf.Struct`s in which a few signatures stand for what JSON has no word for
(pulumi/pulumi sdk/go/common/resource/plugin/rpc.go and properties.go).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import struct_pb2

from providers.base import UNKNOWN, Unknown

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"
OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
UNKNOWN_STRING: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
UNKNOWN_STRINGS: Final = frozenset(
    {
        UNKNOWN_STRING,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # a bool
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # a number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # an array
        "030794c1-ac77-496b-92df-f27374a8bd58",  # an asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # an archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # an object
    }
)


@dataclass(frozen=True)
class Secret:
    """An output that the engine shall keep encrypted. Values that arrive are never wrapped: see `to_python`."""

    value: Any

    def __repr__(self) -> str:
        return "Secret(...)"


def to_python(struct: struct_pb2.Struct) -> dict[str, Any]:
    """A Struct as Python values: whole numbers as int, unknowns as `UNKNOWN`, secrets and outputs unwrapped.

    The engine remembers by property which inputs were secret and marks the same outputs (annotateSecrets in its
    provider_plugin.go), so that a plugin only wraps what becomes secret under another name.
    """
    return {key: _to_python(value) for key, value in struct.fields.items()}


def to_struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    """Python values as a Struct; the inverse of `to_python`."""
    struct = struct_pb2.Struct()
    _fill(struct, values)
    return struct


def contains_unknown(value: Any) -> bool:
    """Whether `UNKNOWN` is the value or lies anywhere in it."""
    if isinstance(value, Mapping):
        return any(contains_unknown(v) for v in value.values())
    if isinstance(value, list | tuple):
        return any(contains_unknown(v) for v in value)
    return value is UNKNOWN


def _to_python(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return UNKNOWN if value.string_value in UNKNOWN_STRINGS else value.string_value
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "bool_value":
        return value.bool_value
    if kind == "list_value":
        return [_to_python(v) for v in value.list_value.values]
    if kind == "struct_value":
        fields = value.struct_value.fields
        if SIGNATURE in fields and fields[SIGNATURE].string_value in (SECRET, OUTPUT):
            return _to_python(fields["value"]) if "value" in fields else UNKNOWN
        return {key: _to_python(v) for key, v in fields.items()}
    return None


def _fill(struct: struct_pb2.Struct, values: Mapping[str, Any]) -> None:
    struct.fields.clear()  # marks an empty one as present
    for key, value in values.items():
        _set(struct.fields[str(key)], value)


def _set(target: struct_pb2.Value, value: Any) -> None:
    if value is None:
        target.null_value = struct_pb2.NULL_VALUE
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int | float):
        target.number_value = value
    elif isinstance(value, str):
        target.string_value = value
    elif isinstance(value, Unknown):
        target.string_value = UNKNOWN_STRING
    elif isinstance(value, Secret):
        _set(target, {SIGNATURE: SECRET, "value": value.value})
    elif isinstance(value, Mapping):
        target.struct_value.SetInParent()
        _fill(target.struct_value, value)
    elif isinstance(value, list | tuple):
        target.list_value.SetInParent()
        for item in value:
            _set(target.list_value.values.add(), item)
    else:
        raise TypeError(f"a {type(value).__name__} is no property value")
