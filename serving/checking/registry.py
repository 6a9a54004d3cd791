"""The checks of a command, registered by its modules."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from serving.checking.findings import Check, Finding

_Ask = TypeVar("_Ask", bound=Callable[[Any], Iterable[Finding]])


class Registry:
    """Checks by the module that asks.

    Args:
        package: the modules' package.
        modules: their names, in the order of the report.
    """

    def __init__(self, package: str, *modules: str) -> None:
        self._checks: dict[str, list[Check]] = {f"{package}.{module}": [] for module in modules}

    def check(
        self, name: str, title: str, looks_at: str, failures: Iterable[str], **options: Any
    ) -> Callable[[_Ask], _Ask]:
        """Register a function as a check; `options` are further fields of a Check."""

        def register(ask: _Ask) -> _Ask:
            self._checks[ask.__module__].append(Check(name, title, looks_at, tuple(failures), ask, **options))
            return ask

        return register

    def all(self) -> list[Check]:
        """All checks. Modules import each other, so the order of registration says nothing of theirs."""
        for module in self._checks:
            importlib.import_module(module)
        return [check for checks in self._checks.values() for check in checks]
