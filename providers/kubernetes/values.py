"""Questions about objects as plain dictionaries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

_QUANTITY = re.compile(r"([+-]?[0-9.]+)(?:([eE][+-]?[0-9]+)|(m|u|n|k|[KMGTPE]i?))?")
_SUFFIX = {"n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "k": Decimal(1000)} | {
    f"{letter}{i}": Decimal(1024 if i else 1000) ** power
    for power, letter in enumerate("KMGTPE", start=1)
    for i in ("", "i")
}


def at(value: Any, *path: str) -> Any:
    """The value at a path of keys; None where there is none."""
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def same(left: Any, right: Any, *, quantities: bool = False) -> bool:
    """Whether two values are equal to the API server, which drops what is empty.

    With `quantities`, different spellings of one quantity (`1000m`, `1`) are equal too: the server writes its own.
    """
    if _empty(left) and _empty(right):
        return True
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return all(same(left.get(k), right.get(k), quantities=quantities) for k in {*left, *right})
    if isinstance(left, list) and isinstance(right, list):
        pairs = zip(left, right, strict=False)
        return len(left) == len(right) and all(same(a, b, quantities=quantities) for a, b in pairs)
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if left == right:
        return True
    amount = quantity(left) if quantities else None
    return amount is not None and amount == quantity(right)


def quantity(value: Any) -> Decimal | None:
    """A number, or a Kubernetes quantity such as `500m` or `1Gi`; None where it is neither."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Decimal(str(value))
    found = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    number, exponent, suffix = found.groups()
    try:
        return Decimal(f"{number}{exponent or ''}") * _SUFFIX.get(suffix or "", Decimal(1))
    except InvalidOperation:
        return None


def _empty(value: Any) -> bool:
    return value is None or value == {} or value == []
