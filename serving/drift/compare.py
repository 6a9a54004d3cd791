"""One object against its plan, field by field. Only what the plan speaks of is compared: the rest has its defaults."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from providers.kubernetes.values import same
from serving.drift.ownership import Owner, Path, is_set, merge_keys, of_item, of_key
from serving.program.record import SECRET, UNKNOWN

# What a plan can't say (known after `up` only, or secret) is not compared.
HIDDEN = (UNKNOWN, SECRET)
_NOT_COMPARED = ("apiVersion", "kind", "status", "__defaults")


@dataclass(frozen=True)
class Difference:
    """A field that is not as planned; `found` is None where it is not there. `owners` are those of the field now."""

    path: Path
    wanted: Any
    found: Any
    owners: tuple[Owner, ...] = ()


def body(planned: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a planned object that is compared; a Secret's stringData as the server keeps it."""
    wanted = {key: value for key, value in planned.items() if key not in _NOT_COMPARED}
    if planned.get("kind") == "Secret" and wanted.get("stringData"):
        texts = wanted.pop("stringData")
        encoded = {
            key: text if text in HIDDEN else base64.b64encode(str(text).encode()).decode()
            for key, text in texts.items()
        }
        wanted["data"] = {**(wanted.get("data") or {}), **encoded}
    return wanted


def differences(wanted: Any, live: Any, found: Sequence[Owner] = (), path: Path = ()) -> Iterator[Difference]:
    """Every field of `wanted` that `live` does not have, or has otherwise. What the server drops is the same.

    A null asks for nothing: charts write it where a template came out empty.
    """
    if wanted is None or wanted in HIDDEN or same(live, wanted, quantities=True):
        return
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        for key, value in wanted.items():
            yield from differences(value, live.get(key), of_key(found, key), (*path, key))
    elif isinstance(wanted, list) and isinstance(live, list) and (pairs := _pairs(wanted, live, found)) is not None:
        for index, item in enumerate(pairs):
            item_owners = () if item is None else of_item(found, item, live.index(item))
            yield from differences(wanted[index], item, item_owners, (*path, index))
    else:
        yield Difference(path, wanted, live, tuple(found))


def hidden(wanted: Any) -> int:
    """How many fields of a plan can't be compared."""
    if isinstance(wanted, Mapping):
        return sum(map(hidden, wanted.values()))
    if isinstance(wanted, list):
        return sum(map(hidden, wanted))
    return int(wanted in HIDDEN)


def _pairs(wanted: list[Any], live: list[Any], found: Sequence[Owner]) -> list[Any] | None:
    """The live item for each planned one; None where the lists can only be compared as wholes."""
    keys = merge_keys(found)
    if keys and all(isinstance(item, Mapping) for item in (*wanted, *live)):
        return [next((other for other in live if _same_keys(item, other, keys)), None) for item in wanted]
    if is_set(found):
        return [next((other for other in live if other == item), None) for item in wanted]
    return live if len(wanted) == len(live) else None


def _same_keys(planned: Mapping[str, Any], live: Mapping[str, Any], keys: Sequence[str]) -> bool:
    shared = [key for key in keys if key in planned]
    return bool(shared) and all(planned[key] == live.get(key) for key in shared)
