"""The checks, in the order in which somebody without anything would meet what they ask for."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable

from serving.preflight.context import Context
from serving.preflight.results import Check, Result

_Ask = Callable[[Context], Iterable[Result]]
_CHECKS: dict[str, Check] = {}
_MODULES = ("project", "location", "cluster", "capacity", "network", "ranges", "gateway", "models")

ANY = ("preflight-time-is-up", "preflight-unexpected")


def check(name: str, title: str, asks: str, failures: Iterable[str], *, requests: int = 2) -> Callable[[_Ask], _Ask]:
    """Register a function as a check. `requests`: how many it may send one after the other."""

    def register(ask: _Ask) -> _Ask:
        _CHECKS[name] = Check(name, title, asks, tuple(failures), requests, ask)
        return ask

    return register


def checks() -> list[Check]:
    """All checks."""
    for module in _MODULES:
        importlib.import_module(f"serving.preflight.checks.{module}")
    # Modules import each other, so the order of registration says nothing.
    return sorted(_CHECKS.values(), key=lambda item: _MODULES.index(item.ask.__module__.rpartition(".")[2]))
