"""Who comes before whom: direct dependencies, followed to their end when somebody asks."""

from __future__ import annotations

from collections.abc import Collection, Mapping


class Dependencies:
    """The direct dependencies of a stack's resources, by key. Keys that nobody described depend on nothing."""

    def __init__(self, direct: Mapping[str, Collection[str]]) -> None:
        self._direct = direct
        self._followed: dict[str, frozenset[str]] = {}

    def of(self, key: str) -> frozenset[str]:
        """Everything that a resource depends on, directly or not."""
        if key not in self._followed:
            seen: set[str] = set()
            queue = list(self._direct.get(key, ()))
            while queue:
                other = queue.pop()
                if other not in seen:
                    seen.add(other)
                    queue.extend(self._direct.get(other, ()))
            self._followed[key] = frozenset(seen)
        return self._followed[key]
