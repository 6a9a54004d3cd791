"""Keys that do not exist because the mistake behind them can't be made here. Data: `data/unsupported_keys.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from catalog.files import read_yaml
from catalog.records import record


@dataclass(frozen=True)
class UnsupportedKey:
    """Patterns of keys, the rule that such a key would break, and what to write instead."""

    keys: tuple[str, ...]
    rule: str
    why: str
    fix: str
    under: str | None = None


@cache
def unsupported_keys() -> tuple[UnsupportedKey, ...]:
    """All of them, in the order in which they are asked."""
    return tuple(record(UnsupportedKey, row) for row in read_yaml("unsupported_keys.yaml")["rows"])


def find_unsupported_key(key: str, section: str) -> UnsupportedKey | None:
    """What is known of an unknown key in a section (`gateway`; the key itself at the top); None where nothing is."""
    plain = "".join(letter for letter in key.lower() if letter.isalnum())
    for row in unsupported_keys():
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
