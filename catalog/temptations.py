"""Keys that do not exist because the mistake behind them can't be made here. Data: `data/temptations.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from catalog.files import read_yaml
from catalog.records import record


@dataclass(frozen=True)
class Temptation:
    """Patterns of keys, the rule that such a key would break, and what to write instead."""

    keys: tuple[str, ...]
    rule: str
    why: str
    fix: str
    under: str | None = None


@cache
def temptations() -> tuple[Temptation, ...]:
    """All of them, in the order in which they are asked."""
    return tuple(record(Temptation, row) for row in read_yaml("temptations.yaml")["rows"])


def find_temptation(key: str, section: str) -> Temptation | None:
    """What is known of an unknown key in a section (`gateway`; the key itself at the top); None where nothing is."""
    plain = "".join(letter for letter in key.lower() if letter.isalnum())
    for row in temptations():
        here = row.under is None or row.under == section
        if here and any(_matches(plain, pattern) for pattern in row.keys):
            return row
    return None


def _matches(word: str, pattern: str) -> bool:
    """`timeout`, `timeout*` or `*timeout*`; `fnmatch` would make a regular expression of each."""
    text = pattern.strip("*")
    if pattern.startswith("*"):
        return text in word
    return word.startswith(text) if pattern.endswith("*") else word == text
