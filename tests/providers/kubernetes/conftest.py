"""The real provider's program, and the objects of every environment and example."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rehearsal.assets.find import find
from serving.drift.planned import planned
from serving.program.record import Recording, record
from settings.document import ROOT, read_document

PROGRAM = "pulumi-resource-kubernetes"


@pytest.fixture(scope="session")
def program() -> Path:
    found = find([PROGRAM]).get(PROGRAM)
    if found is None:
        pytest.skip(f"{PROGRAM} not found; `python -m rehearsal.assets` gets it")
    return found.path


@pytest.fixture(scope="session")
def recordings() -> list[Recording]:
    """What the program asks for, of every environment and example."""
    paths = [*sorted(ROOT.glob("Pulumi.*.yaml")), *sorted((ROOT / "examples").glob("*.yaml"))]
    return [record(read_document(path)) for path in paths]


@pytest.fixture(scope="session")
def objects(recordings: list[Recording]) -> list[dict[str, Any]]:
    """Every object, but for those that have the fields of another one."""
    found: dict[Any, dict[str, Any]] = {}
    for recording in recordings:
        for item in planned(recording).objects:
            manifest = item.manifest
            found.setdefault((manifest["kind"], frozenset(path for path, _ in leaves(manifest))), manifest)
    return list(found.values())


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every value that is no map and no list, with its path."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))
    else:
        yield path, value
