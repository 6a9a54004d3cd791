"""The form of an environment file, taken from the pydantic models."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from settings.environment import Environment
from settings.form import Form, Key
from settings.values import CLASSES, Values


def form() -> Form:
    """Validator schema and keys of the models."""
    Environment.model_rebuild(force=True)
    return Form(_plain(Environment.__pydantic_core_schema__), Key("", _keys(Environment)))


def _plain(schema: Any) -> Any:
    """The core schema with `Values` in place of the models, without what only JSON Schema and output need."""
    if isinstance(schema, dict):
        plain = {key: _plain(value) for key, value in schema.items() if key not in ("metadata", "serialization")}
        if schema.get("type") == "model":
            plain["cls"] = CLASSES.get(schema["cls"].__name__, Values)
        return plain
    return type(schema)(map(_plain, schema)) if isinstance(schema, list | tuple) else schema


def _keys(model: type[BaseModel]) -> dict[str, Key]:
    keys = {}
    for name, declared in model.model_fields.items():
        below = section_in(declared.annotation)
        keys[declared.alias or name] = Key(declared.description or "", _keys(below) if below else {})
    return keys


def section_in(annotation: Any) -> type[BaseModel] | None:
    """The section that an annotation such as `list[Model]` or `Tls | None` holds, None where it holds none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(section_in, getattr(annotation, "__args__", ()))), None)
