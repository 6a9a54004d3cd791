"""Which differences between an object as it is and as it is asked for replace it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from providers.kubernetes.values import at, same

Path_ = tuple[str | int, ...]

_IDENTITY = ("metadata.name", "metadata.namespace")


def replacing(old: Mapping[str, Any], new: Mapping[str, Any], more: Sequence[str] = ()) -> list[str]:
    """The properties that differ and whose change replaces the object; `more` are the resource's `replaceOnChanges`."""
    forcing = (*_IDENTITY, *_table().get(f"{new['apiVersion']}/{new['kind']}", ()), *more)
    return [path for path in forcing if not same(at(old, *path.split(".")), at(new, *path.split(".")))]


def render(path: Path_) -> str:
    """A property path as the engine reads it."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif any(c in part for c in '."[]'):
            escaped = part.replace('"', '\\"')
            text += f'["{escaped}"]'
        else:
            text += f".{part}" if text else part
    return text


@cache
def _table() -> dict[str, list[str]]:
    data = yaml.safe_load((Path(__file__).parent / "force_new.yaml").read_text(encoding="utf-8"))
    return dict(data["kinds"])
