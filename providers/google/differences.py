"""What changed between two sets of inputs, and what a change costs, as the real provider's schema has it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from providers.base import UNKNOWN, Change, DiffResult, Values
from providers.google.facts import TypeFacts
from providers.google.trees import get, relative, same_link, schema_path, under


def difference(facts: TypeFacts, old: Values, new: Values, replaced: frozenset[str] = frozenset()) -> DiffResult:
    """Compare inputs. `replaced` are paths that force replacement this time, by their values."""
    detailed: dict[str, Change] = {}
    for path, kind in _walk(facts, "", old, new):
        forces = under(path, facts.force_new) or under(path, replaced)
        detailed[path] = f"{kind}-replace" if forces else kind  # type: ignore[assignment]
    replaces = any(kind.endswith("-replace") for kind in detailed.values())
    # A name given by the program is taken until the old resource is gone (nameRequiresDeleteBeforeReplace in
    # pulumi-terraform-bridge pkg/tfbridge/schema.go).
    return DiffResult(detailed, replaces and "name" in new)


def _walk(facts: TypeFacts, path: str, old: Any, new: Any) -> Iterator[tuple[str, Change]]:
    if same(facts, path, old, new):
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from _walk(facts, f"{path}.{key}" if path else key, old.get(key), new.get(key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new) and not _is_set(facts, path):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _walk(facts, f"{path}[{index}]", one, other)
    elif new is None:
        if not under(path, facts.computed):
            yield path, "delete"
    else:
        yield path, "add" if old is None else "update"


def same(facts: TypeFacts, path: str, old: Any, new: Any) -> bool:
    """Whether two values of a property mean the same."""
    if UNKNOWN in (old, new):
        return False
    if schema_path(path) in facts.links and same_link(old, new):
        return True
    if _is_set(facts, path) and isinstance(old, list) and isinstance(new, list):
        return _sorted(old) == _sorted(new)
    # An empty list or block is the same as none to the provider's SDK.
    return bool(old == new or (old in (None, [], {}) and new in (None, [], {})))


def _is_set(facts: TypeFacts, path: str) -> bool:
    return schema_path(path) in facts.sets and not path.endswith("]")


def _sorted(values: list[Any]) -> list[str]:
    return sorted(json.dumps(_paths(v), sort_keys=True, default=repr) for v in values)


def _paths(value: Any) -> Any:
    """A value with self links as paths."""
    if isinstance(value, dict):
        return {key: _paths(inner) for key, inner in value.items()}
    return relative(value) if isinstance(value, str) else value


def observed(facts: TypeFacts, inputs: Values, state: Values, path: str = "") -> Values:
    """The inputs as the live resource has them: what somebody changed shows as a difference to the program."""
    seen: Values = {}
    for key, value in inputs.items():
        here = f"{path}.{key}" if path else key
        live = get(state, key)
        if isinstance(value, dict) and isinstance(live, dict):
            seen[key] = observed(facts, value, live, here)
        elif live is None or same(facts, here, value, live):
            seen[key] = value
        else:
            seen[key] = live
    return seen
