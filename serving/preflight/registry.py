"""The checks, in the order in which somebody without anything would meet what they ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from catalog.preflight import expectations
from serving.checking.findings import Check
from serving.checking.registry import Registry

_REGISTRY = Registry(
    "serving.preflight.checks",
    *("project", "location", "cluster", "capacity", "disks", "network", "ranges", "gateway", "models", "weights"),
)


def check(name: str, title: str, asks: str, failures: Iterable[str], *, requests: int = 2) -> Callable[[Any], Any]:
    """Register a function as a check. `requests`: how many it may send one after the other."""
    expected = expectations()[name]
    sources, unverified = tuple(map(str, expected.sources)), expected.unverified
    return _REGISTRY.check(name, title, asks, failures, requests=requests, sources=sources, unverified=unverified)


def checks() -> list[Check]:
    """All checks."""
    return _REGISTRY.all()
