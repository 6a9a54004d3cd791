"""What is kept beside the byte code is what its sources say now, and never gets in the way."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from catalog.compiled import compiled


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = tmp_path / "facts.yaml"
    path.write_text("one")
    return path


def _kept(source: Path) -> Path:
    return Path(importlib.util.cache_from_source(str(source))).with_suffix(".pickle")


def _never() -> str:
    raise AssertionError("made anew although nothing changed")


def test_it_is_made_once_while_nothing_changes(source: Path) -> None:
    assert compiled([source], "1", source.read_text) == "one"
    assert compiled([source], "1", _never) == "one"


@pytest.mark.parametrize("change", ["content", "time", "version", "sources"])
def test_any_change_makes_it_anew(source: Path, change: str) -> None:
    compiled([source], "1", source.read_text)
    if change == "content":
        source.write_text("other")
    if change == "time":  # as many bytes as before
        source.write_text("two")
        os.utime(source, ns=(1, 1))
    sources = [source, Path(__file__)] if change == "sources" else [source]
    made: list[str] = []
    compiled(sources, "2" if change == "version" else "1", lambda: made.append("anew"))
    assert made == ["anew"]


@pytest.mark.parametrize("damage", [b"", b"no pickle", b"\x80\x05.", b"\x80\x05cno.such.module\nThing\n."])
def test_damage_costs_time_only(source: Path, damage: bytes) -> None:
    compiled([source], "1", source.read_text)
    _kept(source).write_bytes(damage)
    assert compiled([source], "1", source.read_text) == "one"


def test_nothing_is_written_where_python_writes_no_byte_code(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert compiled([source], "1", source.read_text) == "one"
    assert list(source.parent.iterdir()) == [source]


def test_a_place_that_takes_no_files_is_no_problem(source: Path) -> None:
    (source.parent / "__pycache__").write_text("a file, where a folder is wanted")
    assert compiled([source], "1", source.read_text) == "one"
