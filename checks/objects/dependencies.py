"""Who comes before whom: direct dependencies, followed to their end."""

from __future__ import annotations

from collections.abc import Collection, Mapping


def closure(direct: Mapping[str, Collection[str]]) -> dict[str, frozenset[str]]:
    """Everything that each key depends on, directly or not. Keys that nobody described depend on nothing."""
    found: dict[str, frozenset[str]] = {}
    for start in direct:
        seen: set[str] = set()
        queue = list(direct[start])
        while queue:
            other = queue.pop()
            if other in found:
                seen |= {other, *found[other]}
            elif other not in seen:
                seen.add(other)
                queue.extend(direct.get(other, ()))
        found[start] = frozenset(seen)
    return found
