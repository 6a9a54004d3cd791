"""Which rules an environment sets aside in writing, today."""

from __future__ import annotations

from collections.abc import Iterable

from catalog.rules import find_rule
from checks.shared import clock
from settings.environment import Override

# Shorter than this, nothing was said.
SHORTEST_REASON = 5


def can_be_set_aside(rule: str) -> bool:
    """True for rules of level O."""
    found = find_rule(rule)
    return found is not None and found.level == "O"


def in_force(overrides: Iterable[Override]) -> frozenset[str]:
    """The rules whose override is allowed, has a reason, and has not ended."""
    return frozenset(
        o.rule
        for o in overrides
        if clock.holds(o.until) and can_be_set_aside(o.rule) and len(o.reason.strip()) >= SHORTEST_REASON
    )
