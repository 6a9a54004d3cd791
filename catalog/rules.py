"""The rules' texts: what each forbids, what happens otherwise, where the fact comes from. Data: `data/rules.yaml`."""

from __future__ import annotations

from functools import cache
from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from catalog.files import read_yaml


class Rule(BaseModel):
    """A rule. Level R refuses, W warns, O refuses unless overridden with a reason and a date."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", alias_generator=to_camel)

    id: str
    level: Literal["R", "W", "O"]
    title: str
    consequence: str
    source: str


@cache
def load_rules() -> dict[str, Rule]:
    """All rules by id."""
    return {key: Rule(id=key, **value) for key, value in read_yaml("rules.yaml")["rules"].items()}
