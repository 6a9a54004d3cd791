"""The checks of a command, registered by its modules."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Generic

from serving.checking.results import AnyCheck


class Registry(Generic[AnyCheck]):
    """Checks by the module that asks.

    Args:
        package: the modules' package.
        modules: their names, in the order of the report.
    """

    def __init__(self, package: str, *modules: str) -> None:
        self._checks: dict[str, list[AnyCheck]] = {f"{package}.{module}": [] for module in modules}

    def add(self, ask: Callable[..., Any], check: AnyCheck) -> None:
        """Register a check of the module in which the function that asks is."""
        self._checks[ask.__module__].append(check)

    def all(self) -> list[AnyCheck]:
        """All checks. Modules import each other, so the order of registration says nothing of theirs."""
        for module in self._checks:
            importlib.import_module(module)
        return [check for checks in self._checks.values() for check in checks]
