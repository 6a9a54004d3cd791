"""What Google's discovery documents say of a request and of an answer. They are those inside google-api-python-client."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import googleapiclient

_DOCUMENTS = Path(googleapiclient.__file__).parent / "discovery_cache/documents"
VERSIONS = {
    "certificatemanager": "v1",
    "dns": "v1",
    "cloudresourcemanager": "v3",
    "compute": "v1",
    "container": "v1",
    "secretmanager": "v1",
    "storage": "v1",
    "serviceusage": "v1",
}


@dataclass(frozen=True)
class Method:
    """A method with the parameters it takes and the schemas of its bodies."""

    name: str
    verb: str
    pattern: re.Pattern[str]
    parameters: Mapping[str, Any]
    request: Mapping[str, Any] | None
    response: Mapping[str, Any]


@dataclass(frozen=True)
class Api:
    """An API by its discovery document."""

    name: str
    document: Mapping[str, Any]
    methods: tuple[Method, ...]

    @property
    def service_path(self) -> str:
        """What stands before the path of every method."""
        return str(self.document["servicePath"])

    def find(self, verb: str, path: str) -> tuple[Method, dict[str, str]] | None:
        """The method of a request, and the values in its path."""
        for method in self.methods:
            match = method.pattern.fullmatch(path)
            if match and method.verb == verb:
                return method, match.groupdict()
        return None

    def wrong_query(self, method: Method, query: Mapping[str, list[str]]) -> Iterator[str]:
        """What of a query the API does not know, or not in this form."""
        known = {key: row for key, row in method.parameters.items() if row["location"] == "query"}
        for key, values in query.items():
            row = known.get(key) or self.document["parameters"].get(key)
            if row is None:
                yield f"{method.name}: no parameter {key}"
                continue
            if len(values) > 1 and not row.get("repeated"):
                yield f"{method.name}: {key} is given {len(values)} times"
            if "enum" in row:
                yield from (f"{method.name}: {key}={value}" for value in values if value not in row["enum"])

    def wrong_value(self, schema: Mapping[str, Any], value: Any, path: str) -> Iterator[str]:
        """What of a value is not as a schema has it: unknown fields, types, formats, enumerations."""
        if "$ref" in schema:
            schema = self.document["schemas"][schema["$ref"]]
        kind = schema.get("type")
        if kind == "object":
            yield from self._wrong_object(schema, value, path)
        elif kind == "array":
            if not isinstance(value, list):
                yield f"{path}: {value!r} is no list"
                return
            for index, item in enumerate(value):
                yield from self.wrong_value(schema["items"], item, f"{path}[{index}]")
        elif kind in _PLAIN and type(value) is not _PLAIN[kind]:
            yield f"{path}: {value!r} is no {kind}"
        elif "enum" in schema and value not in schema["enum"]:
            yield f"{path}: {value!r} is none of {schema['enum']}"
        elif schema.get("format") in ("int64", "uint64") and not re.fullmatch(r"-?\d+", value):
            yield f"{path}: {value!r} is no number in a string"

    def _wrong_object(self, schema: Mapping[str, Any], value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{path}: {value!r} is no object"
            return
        for key, item in value.items():
            inside = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
            if inside is None:
                yield f"{path}: no field {key}"
            else:
                yield from self.wrong_value(inside, item, f"{path}.{key}")


_PLAIN: dict[Any, type] = {"string": str, "integer": int, "boolean": bool, "number": float}


@cache
def api(name: str) -> Api:
    """One of the APIs that preflight asks."""
    document = json.loads((_DOCUMENTS / f"{name}.{VERSIONS[name]}.json").read_text(encoding="utf-8"))
    methods = sorted(_methods(document, ""), key=lambda method: method.pattern.groups)
    return Api(name, document, tuple(methods))


def _methods(node: Mapping[str, Any], prefix: str) -> Iterator[Method]:
    for key, row in node.get("methods", {}).items():
        path = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", row.get("flatPath", row["path"]).replace(".", r"\."))
        parameters = row.get("parameters", {})
        yield Method(
            prefix + key, row["httpMethod"], re.compile(path), parameters, row.get("request"), row.get("response", {})
        )
    for key, inside in node.get("resources", {}).items():
        yield from _methods(inside, f"{prefix}{key}.")
