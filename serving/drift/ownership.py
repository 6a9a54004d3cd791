"""Who wrote which field of an object, from its managed fields (Kubernetes "Server-Side Apply", FieldsV1)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from providers.kubernetes.values import at, same

Path = tuple[str | int, ...]
# Every manager of pulumi-kubernetes: `pulumi-kubernetes` creates, `pulumi-kubernetes-<hash>` applies.
_ENGINE = "pulumi"
_ZERO: tuple[Any, ...] = (None, "", {}, [])


@dataclass(frozen=True)
class Writer:
    """One entry of managed fields: who, how, and when it last wrote (RFC 3339; empty where the server noted none)."""

    manager: str
    operation: str = "Update"
    time: str = ""
    subresource: str = ""

    @property
    def engine(self) -> bool:
        """Whether it is Pulumi's Kubernetes provider."""
        return self.manager.startswith(_ENGINE)

    def as_json(self) -> dict[str, str]:
        """The shape that `--format json` prints."""
        return {"manager": self.manager, "operation": self.operation, "time": self.time}


@dataclass(frozen=True)
class Owner:
    """A writer and what it owns at some place of the object; no fields mean that it owns the whole value."""

    writer: Writer
    fields: Mapping[str, Any]

    def below(self, name: str) -> Owner | None:
        """The same writer one level down (`f:name`); None where it owns nothing there."""
        if not self.fields:
            return self
        return Owner(self.writer, self.fields[name]) if name in self.fields else None

    def of_item(self, item: Any, index: int) -> Owner | None:
        """The same writer at one item of a list."""
        if not self.fields:
            return self
        name = next((name for name in self.fields if is_item(name, item, index)), None)
        return None if name is None else Owner(self.writer, self.fields[name])


def owners(live: Mapping[str, Any]) -> tuple[Owner, ...]:
    """All writers of an object; status belongs to controllers and is left out."""
    entries: Sequence[Mapping[str, Any]] = at(live, "metadata", "managedFields") or ()
    return tuple(
        Owner(
            Writer(
                str(entry.get("manager", "")),
                str(entry.get("operation", "")),
                str(entry.get("time", "")),
                str(entry.get("subresource", "")),
            ),
            fields,
        )
        for entry in entries
        if (fields := {k: v for k, v in (entry.get("fieldsV1") or {}).items() if k != "f:status"})
    )


def last_writer(found: Sequence[Owner]) -> Writer | None:
    """Who of them wrote last."""
    return max((owner.writer for owner in found), key=lambda writer: writer.time, default=None)


def of_key(found: Sequence[Owner], key: str) -> tuple[Owner, ...]:
    """The owners of a key's value."""
    return tuple(owner for one in found if (owner := one.below(f"f:{key}")) is not None)


def of_item(found: Sequence[Owner], item: Any, index: int) -> tuple[Owner, ...]:
    """The owners of an item of a list."""
    return tuple(owner for one in found if (owner := one.of_item(item, index)) is not None)


def is_item(name: str, item: Any, index: int) -> bool:
    """Whether a path element of FieldsV1 (`k:`, `v:`, `i:`) means this item of a list."""
    kind, _, text = name.partition(":")
    if kind == "k":
        return isinstance(item, Mapping) and bool(json.loads(text).items() <= item.items())
    if kind == "v":
        return bool(item == json.loads(text))
    return kind == "i" and int(text) == index


def merge_keys(found: Sequence[Owner]) -> list[str]:
    """The keys by which the items of a list are told apart; none where the list has no such keys."""
    texts = (name.partition(":")[2] for owner in found for name in owner.fields if name.startswith("k:"))
    return list(dict.fromkeys(key for text in texts for key in json.loads(text)))


def is_set(found: Sequence[Owner]) -> bool:
    """Whether a list is a set: each item is owned by its value."""
    return any(name.startswith("v:") for owner in found for name in owner.fields)


def additions(wanted: Any, live: Any, fields: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Fields that an owner wrote and the plan does not speak of, with their values."""
    for name, below in fields.items():
        kind, _, key = name.partition(":")
        if kind == "f" and isinstance(live, Mapping) and key in live:
            asked = isinstance(wanted, Mapping) and not same(wanted.get(key), None)
            if below:
                yield from additions(wanted[key] if asked else None, live[key], below, (*path, key))
            # Go programs write the zero value of a field that nobody asked for.
            elif not asked and live[key] not in _ZERO:
                yield (*path, key), live[key]
        elif kind in ("k", "v", "i") and isinstance(live, list):
            yield from _added_item(wanted, live, name, below, path)


def _added_item(
    wanted: Any, live: Sequence[Any], name: str, below: Mapping[str, Any], path: Path
) -> Iterator[tuple[Path, Any]]:
    index = next((number for number, item in enumerate(live) if is_item(name, item, number)), None)
    if index is None:
        return
    asked = next((item for n, item in enumerate(wanted or ()) if _meant(name, item, n)), None)
    if asked is not None:
        yield from additions(asked, live[index], below, (*path, index))
    else:
        part = live[index] if name.startswith("v:") and isinstance(live[index], str) else index
        yield (*path, part), live[index]


def _meant(name: str, item: Any, index: int) -> bool:
    """As `is_item`, for an item of the plan: a merge key with a default may be left out there."""
    kind, _, text = name.partition(":")
    if kind != "k" or not isinstance(item, Mapping):
        return is_item(name, item, index)
    keys: Mapping[str, Any] = json.loads(text)
    shared = [key for key in keys if key in item]
    return bool(shared) and all(item[key] == keys[key] for key in shared)
