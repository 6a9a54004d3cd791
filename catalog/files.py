"""Reading the catalog's data files: dated facts, kept apart from code."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

DATA_DIR = Path(__file__).parent / "data"


class UnknownVersionError(LookupError):
    """The catalogue holds nothing about a version; the message says about which it does."""


# libyaml is in every wheel of PyYAML, but not in a build from source.
_YamlLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def read_yaml(name: str) -> dict[str, Any]:
    """The parsed content of `data/<name>`; read once a process.

    Raises:
        FileNotFoundError: no such data file.
    """
    text = (DATA_DIR / name).read_text(encoding="utf-8")
    content: dict[str, Any] = yaml.load(text, Loader=_YamlLoader)  # noqa: S506 - a safe loader
    return content
