"""Structural schemas as the API server reads them: pruning of nulls, defaults, unknown fields, value validation.

After k8s.io/apiextensions-apiserver (pkg/apiserver/schema and pkg/apiserver/validation): only create is modelled.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import datetime
from typing import Any

from . import cel, metadata
from .issues import Issue, Schema, join

# Marks an embedded ObjectMeta in schemas made from the built-in kinds.
OBJECT_META = "x-object-meta"

_NESTED_SCHEMA = ("items", "additionalProperties", "not")
_NESTED_LISTS = ("allOf", "anyOf", "oneOf")
_KEYWORDS = {
    *_NESTED_SCHEMA, *_NESTED_LISTS, "type", "description", "properties", "required", "enum", "pattern", "format",
    "default", "nullable", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "minProperties",
    "maxProperties",
    "x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource",
    "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type", "x-kubernetes-validations",
}  # fmt: skip
_RULE_KEYS = {"rule", "message", "messageExpression", "reason", "fieldPath"}


def subschemas(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """The schema and all schemas in it, with the path of the values they are for."""
    yield path, schema
    for name, value in schema.get("properties", {}).items():
        yield from subschemas(value, join(path, name))
    for key in _NESTED_SCHEMA:
        if isinstance(schema.get(key), dict):
            suffix = {"items": "[]", "additionalProperties": "{}"}.get(key, "")
            yield from subschemas(schema[key], path + suffix)
    for key in _NESTED_LISTS:
        for branch in schema.get(key, ()):
            yield from subschemas(branch, path)


def require_known_keywords(schema: Schema) -> None:
    """Raises ValueError where the schema asks for something this module would silently not check."""
    for path, part in subschemas(schema):
        if unknown := set(part) - _KEYWORDS:
            raise ValueError(f"{path or '.'}: keywords {sorted(unknown)} are not supported")
        if part.get("format") not in (None, *_FORMATS):
            raise ValueError(f"{path}: format {part['format']!r} is not supported")
        for rule in part.get("x-kubernetes-validations", ()):
            if unknown := set(rule) - _RULE_KEYS:
                raise ValueError(f"{path}: rule keys {sorted(unknown)} are not supported")
        for branch in (b for key in _NESTED_LISTS for b in part.get(key, ())):
            if any("x-kubernetes-validations" in nested for _, nested in subschemas(branch)):
                raise ValueError(f"{path}: rules below allOf, anyOf or oneOf are not supported")
    if {"properties", "required"} & set(schema.get("properties", {}).get("metadata", {})):
        raise ValueError("metadata: constraints on metadata are not supported")


def _child(schema: Schema, name: str) -> Schema | None:
    """Schema of the field or map value `name`; None where there is none."""
    found: Schema | None = schema.get("properties", {}).get(name)
    if found is None and isinstance(schema.get("additionalProperties"), dict):
        found = schema["additionalProperties"]
    return found


def with_defaults(value: Any, schema: Schema) -> Any:
    """A copy with nulls dropped where null is not allowed, whole floats as integers, and defaults filled in."""
    if isinstance(value, dict):
        result: dict[str, Any] = {}
        for name, item in value.items():
            child = _child(schema, name)
            if child is None:
                result[name] = deepcopy(item)
            elif item is not None or child.get("nullable"):
                result[name] = with_defaults(item, child)
        for name, child in schema.get("properties", {}).items():
            if name not in result and "default" in child:
                result[name] = with_defaults(child["default"], child)
        return result
    if isinstance(value, list):
        items = schema.get("items")
        return [with_defaults(item, items) for item in value] if items else deepcopy(value)
    if isinstance(value, float) and value.is_integer() and schema.get("type") == "integer":
        return int(value)
    return value


_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
}


def check(value: Any, schema: Schema, path: str = "") -> Iterator[Issue]:
    """Refusals of a value that `with_defaults` returned."""
    if value is None:
        if not schema.get("nullable"):
            yield Issue(path, "null is not allowed", blocking=True)
        return
    kind = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        if not (_TYPES["integer"](value) or _TYPES["string"](value)):
            yield Issue(path, f"must be an integer or a string, not {_name(value)}", blocking=True)
            return
    elif kind is not None and not _TYPES[kind](value):
        yield Issue(path, f"must be of type {kind}, not {_name(value)}", blocking=True)
        return
    yield from _check_value(value, schema, path)
    if isinstance(value, dict):
        yield from _check_fields(value, schema, path)
    elif isinstance(value, list):
        if "items" in schema or not schema.get("x-kubernetes-preserve-unknown-fields"):
            for index, item in enumerate(value):
                yield from check(item, schema.get("items", {}), f"{path}[{index}]")
        yield from _check_list_type(value, schema, path)


def _name(value: Any) -> str:
    return next((name for name, test in _TYPES.items() if test(value)), type(value).__name__)


def _check_fields(value: dict[str, Any], schema: Schema, path: str) -> Iterator[Issue]:
    embedded = bool(schema.get("x-kubernetes-embedded-resource"))
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields") or schema.get("additionalProperties") is True
    if embedded:
        for name in ("apiVersion", "kind"):
            if not isinstance(value.get(name), str) or not value[name]:
                yield Issue(join(path, name), "must not be empty", blocking=True)
        yield from metadata.check(value.get("metadata", {}), join(path, "metadata"), metadata.dns_subdomain)
    if schema.get(OBJECT_META):
        yield from metadata.check(value, path, None)
        return
    for name, item in value.items():
        child = _child(schema, name)
        if embedded and name in ("apiVersion", "kind", "metadata"):
            continue
        if child is not None:
            yield from check(item, child, join(path, name))
        elif not open_ended:
            yield Issue(join(path, name), "unknown field")


def _check_list_type(value: list[Any], schema: Schema, path: str) -> Iterator[Issue]:
    list_type = schema.get("x-kubernetes-list-type")
    if list_type == "map":
        keys = [
            tuple(item.get(key) for key in schema["x-kubernetes-list-map-keys"])
            for item in value
            if isinstance(item, dict)
        ]
    elif list_type == "set":
        keys = value
    else:
        return
    for index, key in enumerate(keys):
        if key in keys[:index]:
            yield Issue(f"{path}[{index}]", f"duplicate value {key!r}")


def _check_value(value: Any, schema: Schema, path: str) -> Iterator[Issue]:
    """What holds for the value itself, in a schema of its own or in a branch of allOf, anyOf, oneOf or not."""
    if "enum" in schema and value not in schema["enum"]:
        yield Issue(path, f"{value!r} is none of {schema['enum']}", blocking=True)
    if isinstance(value, str):
        yield from _check_string(value, schema, path)
    elif isinstance(value, dict):
        yield from _check_size(len(value), schema, path, "Properties")
        for name in schema.get("required", ()):
            if name not in value:
                yield Issue(join(path, name), "required", blocking=True)
    elif isinstance(value, list):
        yield from _check_size(len(value), schema, path, "Items")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _check_number(value, schema, path)
    yield from _check_branches(value, schema, path)


def _check_size(size: int, schema: Schema, path: str, what: str) -> Iterator[Issue]:
    if size > schema.get(f"max{what}", size):
        yield Issue(path, f"{size} is more than max{what} {schema[f'max{what}']}", blocking=True)
    if size < schema.get(f"min{what}", size):
        yield Issue(path, f"{size} is less than min{what} {schema[f'min{what}']}")


def _check_string(value: str, schema: Schema, path: str) -> Iterator[Issue]:
    yield from _check_size(len(value), schema, path, "Length")
    if "pattern" in schema and not cel.matches(schema["pattern"], value):
        yield Issue(path, f"{value!r} does not match {schema['pattern']}")
    test = _FORMATS.get(schema.get("format", ""))
    if test is not None and not test(value):
        yield Issue(path, f"{value!r} is no {schema['format']}")


def _check_number(value: float, schema: Schema, path: str) -> Iterator[Issue]:
    low, high = schema.get("minimum", value), schema.get("maximum", value)
    if value < low:
        yield Issue(path, f"{value} is less than {low}")
    if value > high:
        yield Issue(path, f"{value} is more than {high}")
    test = _FORMATS.get(schema.get("format", ""))
    if test is not None and not test(value):
        yield Issue(path, f"{value} does not fit {schema['format']}")


def _check_branches(value: Any, schema: Schema, path: str) -> Iterator[Issue]:
    for branch in schema.get("allOf", ()):
        yield from _check_branch(value, branch, path)
    for key, wanted in (("anyOf", "at least one"), ("oneOf", "exactly one")):
        if key in schema:
            fitting = sum(not any(_check_branch(value, branch, path)) for branch in schema[key])
            if fitting == 0 or (key == "oneOf" and fitting > 1):
                yield Issue(path, f"must fit {wanted} of {key}, fits {fitting}")
    if "not" in schema and not any(_check_branch(value, schema["not"], path)):
        yield Issue(path, "must not fit the schema in `not`")


def _check_branch(value: Any, branch: Schema, path: str) -> Iterator[Issue]:
    """Branches hold value validation only: no unknown fields, no defaults."""
    if "type" in branch and not _TYPES[branch["type"]](value):
        yield Issue(path, f"must be of type {branch['type']}, not {_name(value)}")
        return
    yield from _check_value(value, branch, path)
    if isinstance(value, dict):
        for name, child in branch.get("properties", {}).items():
            if name in value:
                yield from _check_branch(value[name], child, join(path, name))
    elif isinstance(value, list) and "items" in branch:
        for index, item in enumerate(value):
            yield from _check_branch(item, branch["items"], f"{path}[{index}]")


def _is_base64(value: str) -> bool:
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _is_date_time(value: str) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _is_address(value: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(value).version == version
    except ValueError:
        return False


def _fits(bits: int) -> Callable[[Any], bool]:
    bound: int = 1 << (bits - 1)
    return lambda value: not isinstance(value, int) or -bound <= value < bound


# The formats that occur in the schemas; another one is refused at load (require_known_keywords).
_FORMATS: dict[str, Callable[[Any], bool]] = {
    "int32": _fits(32),
    "int64": _fits(64),
    "byte": _is_base64,
    "date-time": _is_date_time,
    "ipv4": lambda value: _is_address(value, 4),
    "ipv6": lambda value: _is_address(value, 6),
}
