"""Inputs and outputs as trees: paths, merging, links."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from typing import Any

from providers.base import Values

COMPUTE = "https://www.googleapis.com/compute/v1/"
_VERSION = re.compile(r"^https://(?:www|compute)\.googleapis\.com/(?:compute/)?(?:v1|beta)/")
_INDEX = re.compile(r"\[\d+\]")


def get(values: Mapping[str, Any], path: str) -> Any:
    """The value at a path like `nodeConfig.machineType`; None where there is none."""
    value: Any = values
    for part in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value


def put(values: Values, path: str, value: Any) -> None:
    """Set the value at a path, making the blocks on the way."""
    *blocks, last = path.split(".")
    for block in blocks:
        values = values.setdefault(block, {})
    values[last] = value


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> Values:
    """Both trees in one; where both have a value, that of `above`. Lists are values."""
    merged = dict(copy.deepcopy(dict(below)))
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def schema_path(path: str) -> str:
    """`allows[0].ports[1]` -> `allows.ports`."""
    return _INDEX.sub("", path)


def under(path: str, entries: Iterable[str]) -> bool:
    """Whether a path is one of the entries or lies below one."""
    plain = schema_path(path)
    return any(plain == entry or plain.startswith(f"{entry}.") for entry in entries)


def relative(link: str) -> str:
    """A self link without its host and version: `projects/p/global/networks/n`. Anything else as it is."""
    return _VERSION.sub("", link)


def same_link(one: Any, other: Any) -> bool:
    """Whether two references may mean the same: equal paths, or a bare name that ends the other."""
    if not isinstance(one, str) or not isinstance(other, str):
        return False
    one, other = relative(one), relative(other)
    bare = "/" not in one or "/" not in other
    return one == other or (bare and one.rsplit("/", 1)[-1] == other.rsplit("/", 1)[-1])
