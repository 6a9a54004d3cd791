"""The answer of a shared judgement: what is wrong and what to write instead; the caller knows rule and place."""

from __future__ import annotations

from typing import NamedTuple


class Problem(NamedTuple):
    """What is wrong with a value, and a fix that can be pasted."""

    message: str
    fix: str
