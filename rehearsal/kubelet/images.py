"""The image table: which local program stands for a container image."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

_TABLE = Path(__file__).with_name("images.yaml")


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Executable(_Entry):
    """A program inside an image; exactly one field is set."""

    asset: str | None = None
    module: str | None = None
    python: bool = False


class Drop(_Entry):
    """A flag that is left out."""

    flag: str
    has_value: bool = Field(default=False, alias="hasValue")


class FlagPort(_Entry):
    """A port that a flag sets."""

    flag: str
    form: Literal["port", "address"]
    default: int


class ConfigPort(_Entry):
    """A port that a field of a configuration file sets."""

    path: str
    form: Literal["port", "address"]
    default: int


class ConfigRule(_Entry):
    """What changes in the configuration file that a flag names."""

    flag: str
    ports: list[ConfigPort] = []
    set: dict[str, Any] = {}


class Image(_Entry):
    """One row of the table."""

    repository: str
    source: str
    date: Any
    entrypoint: list[str]
    executables: dict[str, Executable]
    drop: list[Drop] = []
    drop_empty: bool = Field(default=False, alias="dropEmpty")
    ports: list[FlagPort] = []
    config: ConfigRule | None = None
    needs: str | None = None

    def matches(self, repository: str) -> bool:
        """True where the row's repository is the end of an image's repository, by whole components."""
        return f"/{repository}".endswith(f"/{self.repository}")


def repository_of(image: str) -> str:
    """Repository of an image reference, without tag and digest; `python` is `docker.io/library/python`."""
    name = image.split("@", 1)[0]
    head, slash, last = name.rpartition("/")
    name = head + slash + last.split(":", 1)[0]
    if "/" not in name:
        return f"docker.io/library/{name}"
    return name


@cache
def table() -> tuple[Image, ...]:
    """All rows, in file order."""
    document = yaml.safe_load(_TABLE.read_text(encoding="utf-8"))
    return tuple(Image.model_validate(row) for row in document["images"])


def find(image: str) -> Image | None:
    """The row of an image; None where the table does not know it, or where the program it needs is not there."""
    repository = repository_of(image)
    for row in table():
        if row.matches(repository):
            return row if row.needs is None or _exists(row.needs) else None
    return None


def assets() -> set[str]:
    """Names of all assets that the table refers to."""
    return {e.asset for row in table() for e in row.executables.values() if e.asset}


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
