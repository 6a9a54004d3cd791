"""The checks, in the order in which somebody without anything would meet what they ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from serving.checking.registry import Registry
from serving.preflight.context import Context
from serving.preflight.results import Check, Result

_Ask = Callable[[Context], Iterable[Result]]
_REGISTRY = Registry[Check](
    "serving.preflight.checks",
    *("project", "location", "cluster", "capacity", "network", "ranges", "gateway", "models"),
)

ANY = ("preflight-time-is-up", "preflight-unexpected")


def check(name: str, title: str, asks: str, failures: Iterable[str], *, requests: int = 2) -> Callable[[_Ask], _Ask]:
    """Register a function as a check. `requests`: how many it may send one after the other."""

    def register(ask: _Ask) -> _Ask:
        _REGISTRY.add(ask, Check(name, title, asks, tuple(failures), requests, ask))
        return ask

    return register


def checks() -> list[Check]:
    """All checks."""
    return _REGISTRY.all()
