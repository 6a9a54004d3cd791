"""Rows of data files as frozen dataclasses. Reading them is part of every command, so it loads no validation library."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Record = TypeVar("Record", bound=DataclassInstance)

_PLAIN = {"str": str, "int": int, "bool": bool}


def record(kind: type[Record], row: Mapping[str, Any], **given: Any) -> Record:
    """A row with camelCase keys as `kind`; lists become tuples. `given` is put beside or in place of what the row has.

    Raises:
        ValueError: an unknown key, a missing one, or a text, number or truth value of the wrong type.
    """
    fields = _fields(kind)
    values: dict[str, Any] = {}
    for key, value in row.items():
        field = fields.get(key)
        if field is None:
            raise ValueError(f"{kind.__name__}: unknown key {key!r}")
        plain = _PLAIN.get(str(field.type))
        if field.name not in given and plain is not None and type(value) is not plain:
            raise ValueError(f"{kind.__name__}.{key}: {value!r} is no {plain.__name__}")
        values[field.name] = tuple(value) if isinstance(value, list) else value
    try:
        return kind(**{**values, **given})
    except TypeError as error:
        raise ValueError(f"{kind.__name__}: {error}") from None


@cache
def _fields(kind: type[DataclassInstance]) -> dict[str, dataclasses.Field[Any]]:
    return {camel(field.name): field for field in dataclasses.fields(kind)}


def camel(name: str) -> str:
    """`single_host` -> `singleHost`."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
