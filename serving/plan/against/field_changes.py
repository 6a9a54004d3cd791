"""The differences of two trees in words a person knows: named list entries by name, flags by flag."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

_LONGEST = 60
_KEYS = ("name", "rangeName")


def field_changes(before: Any, after: Any) -> list[str]:
    """`path: before -> after` of everything that differs, in the order of the paths."""
    return [f"{path or 'value'}: {said(old)} -> {said(new)}" for path, old, new in _walk("", before, after)]


def said(value: Any) -> str:
    """A value in a few characters."""
    if value in (None, [], {}):
        return "none"
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    if "\n" in text:
        return f"a text of {len(text.splitlines())} lines"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _walk(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    if old == new:
        return
    one, other = _named(path, old), _named(path, new)
    # A block that is only on one side is spelt out beside an empty one: its leaves are what a reader looks for.
    if one is not None and other is None and new is None:
        other = {}
    if other is not None and one is None and old is None:
        one = {}
    if one is None or other is None:
        yield path, old, new
        return
    if one == other:
        yield path, "one order", "another order"
        return
    listed = isinstance(old, list) or isinstance(new, list)
    for key in sorted({*one, *other}):
        below = f"{path}[{key}]" if listed else f"{path}.{key}"
        below = key if path == "" or key.startswith("--") else below
        yield from _walk(below, one.get(key), other.get(key))


def _named(path: str, value: Any) -> dict[str, Any] | None:
    """A value as a mapping; None for what has no parts with names."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, list) or not value:
        return None
    if path.endswith("args"):
        return _flags(value)
    for key in _KEYS:
        names = [item.get(key) for item in value if isinstance(item, dict)]
        if len(set(map(str, names))) == len(value) and all(isinstance(name, str) for name in names):
            return {str(item[key]): item for item in value}
    if all(isinstance(item, dict) for item in value):
        return {str(index): item for index, item in enumerate(value)}
    return None


def _flags(arguments: list[Any]) -> dict[str, Any] | None:
    """Command-line arguments by flag, each use of it; None where something stands before the first one."""
    found: dict[str, list[str]] = {}
    uses: list[str] = []
    for argument in map(str, arguments):
        if argument.startswith("--"):
            name, equals, value = argument.partition("=")
            uses = found.setdefault(name, [])
            uses.append(value if equals else "")
        elif not uses:
            return None
        else:
            uses[-1] = f"{uses[-1]} {argument}".strip()
    return {name: ", ".join(use or "set" for use in values) for name, values in found.items()}
