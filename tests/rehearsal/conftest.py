"""Which tests run in one process."""

from __future__ import annotations

import pytest

# Fixtures that hold a control plane for a module or a folder.
_PLANES = frozenset({"plane", "rehearsal"})


def pytest_itemcollected(item: pytest.Item) -> None:
    """Tests of a folder that share a control plane are one group: each process would start one of its own, and what a
    test leaves there for the next one would be in another."""
    names = getattr(item, "fixturenames", ())
    if item.get_closest_marker("xdist_group") is None and not _PLANES.isdisjoint(names):
        item.add_marker(pytest.mark.xdist_group(item.path.parent.name))
