"""Published forms of secrets. Data: `data/secret_forms.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from catalog.files import read_yaml
from catalog.records import record


@dataclass(frozen=True)
class SecretForm:
    """`pattern` is a regular expression from the form's fixed part to where such a secret can end."""

    id: str
    pattern: str


@cache
def load_secret_forms() -> tuple[SecretForm, ...]:
    """All of them."""
    return tuple(record(SecretForm, row) for row in read_yaml("secret_forms.yaml")["forms"])
