"""What the real provider does with each resource type. Data: `types.yaml`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from providers.base import ProviderError


class TypeFacts(BaseModel):
    """One resource type; the fields are described in the data file."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)

    file: str
    title: str
    name: str
    id: str
    service: str | None
    required: tuple[str, ...]
    force_new: tuple[str, ...]
    decided: tuple[str, ...]
    fill: tuple[str, ...] = ()
    defaults: dict[str, Any] = {}
    patterns: dict[str, str] = {}
    enums: dict[str, tuple[str, ...]] = {}
    computed: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()


@cache
def _data() -> tuple[dict[str, str], dict[str, TypeFacts]]:
    data = yaml.safe_load(Path(__file__).with_name("types.yaml").read_text(encoding="utf-8"))
    return data["names"], {token: TypeFacts.model_validate(row) for token, row in data["types"].items()}


def facts(token: str) -> TypeFacts:
    """The facts of a type.

    Raises:
        ProviderError: the rehearsal does not play this type.
    """
    known = _data()[1]
    if token not in known:
        raise ProviderError(
            f"resource type {token} is not played by the rehearsal's gcp plugin. It knows: {', '.join(sorted(known))}."
        )
    return known[token]


def tokens() -> list[str]:
    """All types."""
    return list(_data()[1])


def name_pattern(rule: str) -> str:
    """The regular expression of a rule of names."""
    return _data()[0][rule]
