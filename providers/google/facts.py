"""What the real provider does with each resource type (`types.yaml`), and what Google answers (`answers.yaml`)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field
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
    force_new: frozenset[str]
    kept: frozenset[str]
    defaults: dict[str, Any] = {}
    grows: frozenset[str] = frozenset()
    disabled: frozenset[str] = frozenset()
    links: frozenset[str] = frozenset()
    sets: frozenset[str] = frozenset()


class Answer(BaseModel):
    """One property that an answer has although it was not sent; the fields are described in the data file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    value: Any
    origin: Literal["gke", "unmarked", "mock", "provider", "reported"] = Field(alias="from")
    when: Literal["", "tpu", "flexStart", "reservation"] = ""
    forced: bool = False
    follows: bool = False
    source: str = ""


def _read(name: str) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(Path(__file__).with_name(name).read_text(encoding="utf-8"))
    return data


@cache
def _types() -> dict[str, TypeFacts]:
    return {token: TypeFacts.model_validate(row) for token, row in _read("types.yaml")["types"].items()}


@cache
def answers(token: str) -> tuple[Answer, ...]:
    """What Google answers about a type beyond what was sent; later rows win."""
    return tuple(Answer.model_validate(row) for row in _read("answers.yaml")["types"].get(token, ()))


def facts(token: str) -> TypeFacts:
    """The facts of a type.

    Raises:
        ProviderError: the program does not use this type.
    """
    known = _types()
    if token not in known:
        raise ProviderError(
            f"resource type {token} is not known to providers/google/types.yaml: {', '.join(sorted(known))}."
        )
    return known[token]


def tokens() -> list[str]:
    """All types."""
    return list(_types())


@cache
def channel_default() -> str:
    """The GKE version of a cluster for which no minimum was asked."""
    return str(_read("answers.yaml")["channelDefault"])
