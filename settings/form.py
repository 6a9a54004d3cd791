"""What the keys of an environment file are called and mean, as the models of this folder declare them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic import BaseModel

from settings.environment import Environment


@dataclass
class Key:
    """A key of the file. `keys` are those below it, none where it is no section."""

    description: str = ""
    keys: dict[str, Key] = field(default_factory=dict)


def key_at(path: tuple[str | int, ...]) -> Key | None:
    """A key of the file by its path, list places left out; None where there is none."""
    current: Key | None = _root()
    for part in path:
        if current is not None and isinstance(part, str):
            current = current.keys.get(part)
    return current


def section_in(annotation: Any) -> type[BaseModel] | None:
    """The section that an annotation such as `list[Model]` or `Tls | None` holds, None where it holds none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(section_in, getattr(annotation, "__args__", ()))), None)


@cache
def _root() -> Key:
    return Key("", _keys(Environment))


def _keys(model: type[BaseModel]) -> dict[str, Key]:
    keys = {}
    for name, declared in model.model_fields.items():
        below = section_in(declared.annotation)
        keys[declared.alias or name] = Key(declared.description or "", _keys(below) if below else {})
    return keys
