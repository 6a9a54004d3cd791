"""Flags of the model server as a file gives them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from settings.model import FlagValue
from settings.names import server_flag


def plain_flags(flags: dict[str, FlagValue]) -> Iterator[tuple[str, FlagValue]]:
    """Full names without dashes; `no-x: true` is `x: false`."""
    for name, value in flags.items():
        flag = server_flag(name)
        negated = isinstance(value, bool) and flag.startswith("no-")
        yield (flag.removeprefix("no-"), not value) if negated else (flag, value)


def flag_words(value: FlagValue) -> tuple[str, ...]:
    """The values of a flag as words of a command line."""
    return tuple(
        json.dumps(one) if isinstance(one, dict) else str(one)
        for one in (value if isinstance(value, list) else [value])
    )


def json_flag(value: Any) -> dict[str, Any]:
    """The mapping behind a JSON flag; empty where it is none (VL01 says so)."""
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
