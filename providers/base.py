"""What the derivations of both providers speak of: property values and changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal

Values = dict[str, Any]
Change = Literal["add", "add-replace", "delete", "delete-replace", "update", "update-replace"]


class ProviderError(Exception):
    """What the user is told, in one or a few lines. Never put a value in it that may be secret."""


class Unknown(Enum):
    """A value that is known only after an update. A copy of it is itself."""

    UNKNOWN = "unknown"

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown.UNKNOWN


@dataclass(frozen=True)
class DiffResult:
    """Differences by property path; no entry means that nothing changed."""

    detailed: Mapping[str, Change] = field(default_factory=dict)
    delete_before_replace: bool = False
