"""Cases of the rules on objects: `cases/<RULE>.yaml` says how the stack of `base.yaml` is changed and what is said then.

A case has `set` (a path, words between blanks, and the value there), `drop` (paths), `remove` (parts), `add` and
`first` (parts, at the end or the beginning), `many` (a list made longer by repeating its first element), `waived`,
`answer` and `startup` (the context). A refused case has `at` (the finding's path), `fix` (a part of the fix's text).
`also` names other rules that the change breaks.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from checks.objects import Context, Resource, on_stack
from checks.objects.resource import resource_of
from settings.refusal import Finding

HERE = Path(__file__).parent
RULES = sorted(path.stem for path in (HERE / "cases").glob("*.yaml"))


@dataclass(frozen=True)
class Case:
    """One example of a rule."""

    rule: str
    refused: bool
    data: dict[str, Any]

    @property
    def context(self) -> Context:
        """What is known beside the resources."""
        return Context(
            frozenset(self.data.get("waived", [])), self.data.get("answer", {}), self.data.get("startup", {})
        )

    @property
    def others(self) -> set[str]:
        """Rules that the change breaks beside the one meant."""
        return set(self.data.get("also", []))

    def resources(self) -> list[Resource]:
        """The changed stack."""
        return changed(self.data)

    def findings(self) -> list[Finding]:
        """What the rules say of it."""
        return on_stack(self.resources(), self.context)


@cache
def _base() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load((HERE / "base.yaml").read_text(encoding="utf-8"))
    return data


@cache
def read_cases(rule: str) -> tuple[Case, ...]:
    """The cases of a rule, accepted ones first."""
    data = yaml.safe_load((HERE / "cases" / f"{rule}.yaml").read_text(encoding="utf-8"))
    return tuple(Case(rule, kind == "refused", case) for kind in ("accepted", "refused") for case in data[kind])


def all_cases(refused: bool) -> list[Case]:
    """Every accepted, or every refused case."""
    return [case for rule in RULES for case in read_cases(rule) if case.refused == refused]


def changed(case: dict[str, Any]) -> list[Resource]:
    """The base stack with a case's changes."""
    parts = copy.deepcopy(_base())
    for path in case.get("drop", []):
        holder, key = _find(parts, path)
        del holder[key]
    for path, value in case.get("set", {}).items():
        holder, key = _find(parts, path)
        holder[key] = copy.deepcopy(value)
    if many := case.get("many"):
        holder, key = _find(parts, many["at"])
        holder[key] = holder[key][:1] * many["count"]
    for name in case.get("remove", []):
        del parts[name]
    parts = {**case.get("first", {}), **parts, **case.get("add", {})}
    return list(_resources(parts))


def _find(parts: dict[str, Any], path: str) -> tuple[Any, Any]:
    name, *words = path.split(" ")
    part = parts[name]
    holder, keys = (part["object"], words) if "object" in part and words[0] != "create_seconds" else (part, words)
    for word in keys[:-1]:
        holder = holder[int(word)] if isinstance(holder, list) else holder.setdefault(word, {})
    return holder, int(keys[-1]) if isinstance(holder, list) else keys[-1]


def _resources(parts: dict[str, Any]) -> Iterator[Resource]:
    for name, part in parts.items():
        made = resource_of(part["object"]) if "object" in part else Resource(part["type"], part["inputs"])
        yield Resource(made.type, made.inputs, name, name, create_seconds=part.get("create_seconds"))
