"""The contract with other teams: nothing is taken from a reader within one major version."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from settings.document import ROOT
from settings.outputs import CONTRACT_VERSION, Outputs

RELEASED = {p.name.removesuffix(".schema.json"): p for p in sorted((ROOT / "docs/contract").glob("*.schema.json"))}
Schema = dict[str, Any]


def read(path: Path) -> Schema:
    data: Schema = json.loads(path.read_text(encoding="utf-8"))
    return data


def current() -> Schema:
    return Outputs.model_json_schema(by_alias=True, mode="serialization")


def fields(schema: Schema, at: Schema | None = None, path: str = "") -> Iterator[tuple[str, str, bool]]:
    """(path, type, whether it is always there) of every field, through references, lists and optional sections."""
    at = schema if at is None else at
    while "$ref" in at:
        at = schema["$defs"][at["$ref"].rsplit("/", 1)[1]]
    for key, below in at.get("properties", {}).items():
        yield f"{path}.{key}", kind(schema, below), key in at.get("required", [])
        inner = below.get("items", below)
        yield from fields(schema, inner, f"{path}.{key}")


def kind(schema: Schema, at: Schema) -> str:
    """A type in one word; a reference is what it refers to."""
    if "$ref" in at:
        return kind(schema, schema["$defs"][at["$ref"].rsplit("/", 1)[1]])
    if "anyOf" in at:
        return " or ".join(sorted(kind(schema, option) for option in at["anyOf"]))
    return f"list of {kind(schema, at['items'])}" if at.get("type") == "array" else str(at.get("type"))


def broken(before: Schema, after: Schema) -> list[str]:
    """What a reader of `before` would miss in `after`."""
    now = {path: (kind, always) for path, kind, always in fields(after)}
    found = []
    for path, kind_before, always in fields(before):
        if path not in now:
            found.append(f"{path} is removed")
        elif now[path][0] != kind_before:
            found.append(f"{path}: {kind_before} -> {now[path][0]}")
        elif always and not now[path][1]:
            found.append(f"{path} is not always there any more")
    return found


def major(version: str) -> str:
    return version.split(".")[0]


@pytest.mark.parametrize("version", [v for v in RELEASED if major(v) == major(CONTRACT_VERSION)])
def test_a_reader_of_any_release_of_this_major_version_reads_the_current_one(version: str) -> None:
    assert broken(read(RELEASED[version]), current()) == [], "this needs a new major version"


def test_the_current_version_is_released_as_it_is() -> None:
    released = read(RELEASED[CONTRACT_VERSION])
    del released["$schema"]
    assert released == current(), (
        f"the contract changed: raise CONTRACT_VERSION and write docs/contract/{CONTRACT_VERSION}"
    )


def test_every_version_has_its_schema_and_its_entry() -> None:
    text = (ROOT / "docs/contract/CHANGELOG.md").read_text(encoding="utf-8")
    entries = re.findall(r"^## (\d+\.\d+) \(\d{4}-\d\d-\d\d\)$", text, flags=re.MULTILINE)
    assert sorted(entries) == sorted(RELEASED) and entries[0] == CONTRACT_VERSION


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s["properties"].pop("baseUrl"), ".baseUrl is removed"),
        (lambda s: s["$defs"]["ModelOutput"]["properties"].pop("url"), ".models.url is removed"),
        (lambda s: s["properties"]["chips"].update(type="string"), ".chips: integer -> string"),
        (
            lambda s: s["$defs"]["ModelOutput"]["properties"]["servedNames"]["items"].update(type="object"),
            ".models.servedNames: list of string -> list of object",
        ),
        (lambda s: s["required"].remove("namespace"), ".namespace is not always there any more"),
    ],
)
def test_what_breaks_a_reader_is_noticed_and_what_only_adds_is_not(change: Any, said: str) -> None:
    after = copy.deepcopy(current())
    after["properties"]["new"] = {"type": "string"}
    assert broken(current(), after) == []
    change(after)
    assert said in broken(current(), after)


def test_design_section_8_is_all_there() -> None:
    paths = {path for path, _, _ in fields(current())}
    assert paths >= {
        ".contractVersion", ".baseUrl", ".namespace", ".costPerHour", ".dashboards.url", ".gateway.address",
        ".gateway.className", ".gateway.caCertificate", ".models.url", ".models.servedNames", ".models.contextLength",
        ".models.longestAnswerTokens", ".models.inferencePool", ".models.service", ".models.scheduler",
    }  # fmt: skip
