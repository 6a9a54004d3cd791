"""The form of an environment file: its validator, and what its keys are called and mean.

Both are made from the pydantic models of this folder, once, and kept (catalog/compiled.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydantic_core

from catalog.compiled import compiled
from catalog.files import DATA_DIR

if TYPE_CHECKING:
    from settings.environment import Environment

_HERE = Path(__file__).parent


@dataclass
class Key:
    """A key of the file. `keys` are those below it, none where it is no section."""

    description: str = ""
    keys: dict[str, Key] = field(default_factory=dict)


@dataclass
class Form:
    """What is kept: the core schema, and the keys of the whole file."""

    schema: Any
    root: Key


@cache
def _form() -> Form:
    def make() -> Form:
        from settings.declared import form  # the models, and with them all of pydantic

        return form()

    sources = [_HERE / "environment.py", *sorted(_HERE.glob("*.py")), _HERE.parent / "catalog" / "gke.py"]
    return compiled([*sources, DATA_DIR / "gke.yaml"], pydantic_core.__version__, make)


@cache
def _validator() -> pydantic_core.SchemaValidator:
    return pydantic_core.SchemaValidator(_form().schema)


def read(data: dict[str, Any]) -> Environment:
    """The settings in `data`.

    Raises:
        ValidationError: pydantic's, with everything that is wrong.
    """
    # What comes back are `settings.values.Values` with the attributes of the models, to which everything is typed.
    return _validator().validate_python(data)  # type: ignore[no-any-return]


def key_at(path: tuple[str | int, ...]) -> Key | None:
    """A key of the file by its path, list places left out; None where there is none."""
    current: Key | None = _form().root
    for part in path:
        if current is not None and isinstance(part, str):
            current = current.keys.get(part)
    return current
