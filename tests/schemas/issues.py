"""What the parts of the validator share."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]


@dataclass(frozen=True)
class Issue:
    """One refusal. The API server evaluates no rules on an object with a `blocking` one."""

    path: str
    message: str
    blocking: bool = False


def join(path: str, name: str) -> str:
    """The path of a field or of a map's key."""
    if not re.fullmatch(r"[A-Za-z_][\w-]*", name):
        return f"{path}[{name}]"
    return f"{path}.{name}" if path else name
