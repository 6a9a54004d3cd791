"""The answer of a shared judgement: what is wrong and what to write instead; the caller knows rule and place."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple


class Problem(NamedTuple):
    """What is wrong with a value, and a fix that can be pasted."""

    message: str
    fix: str


def one_of(said: str, given: Collection[str], choices: Collection[str]) -> Problem | None:
    """Exactly one of the choices is given; `said` is why."""
    if len(given) == 1:
        return None
    found = f"Given are {', '.join(given)}." if given else "None is given."
    return Problem(f"{said} {found}", f"Keep exactly one of {', '.join(choices)}.")
