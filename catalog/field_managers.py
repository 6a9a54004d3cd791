"""Fields that controllers write into our objects by design. Data: `data/field_managers.yaml`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache

from catalog.files import read_yaml
from catalog.records import record


@dataclass(frozen=True)
class DesignedField:
    """Who may write what, and why. `fields` are paths of keys; no `kinds` or `names` means all of them."""

    managers: tuple[str, ...]
    fields: tuple[tuple[str, ...], ...]
    why: str
    source: str
    kinds: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def covers(self, manager: str, kind: str, name: str, path: Sequence[str | int]) -> bool:
        """Whether this manager writes this field (or one below) of this object by design."""
        return (
            any(fnmatchcase(manager, pattern) for pattern in self.managers)
            and (not self.kinds or kind in self.kinds)
            and (not self.names or any(fnmatchcase(name, pattern) for pattern in self.names))
            and any(_covers(field, path) for field in self.fields)
        )


@cache
def designed_fields() -> tuple[DesignedField, ...]:
    """All of them, in the order of the file."""
    return tuple(
        record(DesignedField, row, fields=tuple(map(tuple, row["fields"])))
        for row in read_yaml("field_managers.yaml")["rows"]
    )


def designed(manager: str, kind: str, name: str, path: Sequence[str | int]) -> DesignedField | None:
    """The row that explains why a manager wrote a field; None where it was no controller's business."""
    return next((row for row in designed_fields() if row.covers(manager, kind, name, path)), None)


def _covers(field: Sequence[str], path: Sequence[str | int]) -> bool:
    pairs = zip(field, path, strict=False)
    return len(path) >= len(field) and all(
        wanted == "[]" if isinstance(part, int) else fnmatchcase(part, wanted) for wanted, part in pairs
    )
