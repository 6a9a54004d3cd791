"""Reading nested values that may be absent, of the wrong type, or not known yet."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from settings.refusal import Path


class UnknownValueError(Exception):
    """A value was needed that is not known yet: nothing can be said, and nothing is refused."""


class Unknown:
    """What stands where a value is not known yet, or is a secret."""

    def __repr__(self) -> str:
        return "(unknown)"


UNKNOWN = Unknown()


def get(value: Any, *path: str | int) -> Any:
    """The value at a path, None where there is none; whatever stands in the way is no reason to fail.

    Raises:
        UnknownValueError: the value, or one on the way to it, is not known yet.
    """
    for key in path:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list):
            value = value[key] if isinstance(key, int) and key < len(value) else None
        elif isinstance(value, Unknown):
            raise UnknownValueError
        else:
            return None
    if isinstance(value, Unknown):
        raise UnknownValueError
    return value


def items(value: Any, *path: str | int) -> list[Any]:
    """The list at a path; empty where there is none.

    Raises:
        UnknownValueError: as `get`, and where an element of the list is not known yet.
    """
    found = get(value, *path)
    if not isinstance(found, list):
        return []
    if any(isinstance(element, Unknown) for element in found):
        raise UnknownValueError
    return found


def mapping(value: Any, *path: str | int) -> Mapping[str, Any]:
    """The mapping at a path; empty where there is none.

    Raises:
        UnknownValueError: as `get`.
    """
    found = get(value, *path)
    return found if isinstance(found, Mapping) else {}


def text(value: Any, *path: str | int) -> str:
    """The text at a path; `""` where there is none.

    Raises:
        UnknownValueError: as `get`.
    """
    found = get(value, *path)
    return found if isinstance(found, str) else ""


def number(value: Any, *path: str | int) -> int | None:
    """The whole number at a path, also where it is written as text; None where there is none.

    Raises:
        UnknownValueError: as `get`.
    """
    found = get(value, *path)
    if isinstance(found, bool):
        return None
    if isinstance(found, int):
        return found
    if isinstance(found, float) and found.is_integer():
        return int(found)
    return int(found) if isinstance(found, str) and found.strip().isdecimal() else None


def is_unknown(value: Any, *path: str | int) -> bool:
    """True where a value can't be known yet."""
    try:
        get(value, *path)
    except UnknownValueError:
        return True
    return False


def strings(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every known text below a value, with its path; what is unknown is passed over."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from strings(inner, (*path, str(key)))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from strings(inner, (*path, index))


def with_unknowns(value: Any, marks: Collection[str]) -> Any:
    """A copy in which every text out of `marks` is UNKNOWN."""
    if isinstance(value, str):
        return UNKNOWN if value in marks else value
    if isinstance(value, dict):
        return {key: with_unknowns(inner, marks) for key, inner in value.items()}
    if isinstance(value, list):
        return [with_unknowns(inner, marks) for inner in value]
    return value
