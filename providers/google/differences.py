"""What changed between a resource and what a program declares, and what the change costs, as the provider's schema has it.

The old side is the resource's state, or, where only programs are compared, its earlier inputs. Terraform's SDK compares
the state, so that what an answer holds and the program does not is a difference unless the schema keeps it.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Collection, Iterator
from typing import Any

from providers.base import UNKNOWN, Change, DiffResult, Values
from providers.google.facts import TypeFacts
from providers.google.trees import relative, same_link, schema_path, under

_NOTHING: tuple[Any, ...] = (None, "", 0, False, [], {})


def difference(facts: TypeFacts, old: Values, new: Values, ignore: Collection[str] = ()) -> DiffResult:
    """Compare a resource with new inputs. `ignore` are the paths of `ignore_changes`."""
    detailed: dict[str, Change] = {}
    for path, kind, one, other in _walk(facts, "", old, new):
        if not under(path, ignore):
            detailed[path] = f"{kind}-replace" if _forces(facts, path, one, other) else kind  # type: ignore[assignment]
    replaces = any(kind.endswith("-replace") for kind in detailed.values())
    # A name given by the program is taken until the old resource is gone (nameRequiresDeleteBeforeReplace in
    # pulumi-terraform-bridge pkg/tfbridge/schema.go).
    return DiffResult(detailed, replaces and "name" in new)


def stays(facts: TypeFacts, old: Values, new: Values, path: str = "") -> Iterator[str]:
    """Paths that the program set and sets no more, and that the provider leaves in the cloud as they are."""
    for key, one in old.items():
        here, other = _join(path, key), new.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from stays(facts, one, other, here)
        elif other is None and one not in _NOTHING and schema_path(here) in facts.kept:
            yield here


def _walk(facts: TypeFacts, path: str, old: Any, new: Any) -> Iterator[tuple[str, str, Any, Any]]:
    if same(facts, path, old, new):
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from _walk(facts, _join(path, key), old.get(key), new.get(key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new) and not _is_set(facts, path):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _walk(facts, f"{path}[{index}]", one, other)
    elif new is None:
        if schema_path(path) not in facts.kept:
            yield path, "delete", old, new
    else:
        yield path, "add" if old is None else "update", old, new


def _forces(facts: TypeFacts, path: str, old: Any, new: Any) -> bool:
    """Whether a difference replaces the resource; of a block that comes or goes whole, also what lies below it."""
    plain = schema_path(path)
    if plain in facts.force_new:
        return True
    if plain in facts.grows:
        return not _grows(old, new)
    block = old if isinstance(old, dict) else new if isinstance(new, dict) else {}
    return any(
        not same(facts, _join(path, key), value, None) and _forces(facts, _join(path, key), value, None)
        for key, value in block.items()
    )


def _grows(old: Any, new: Any) -> bool:
    if not isinstance(old, str) or not isinstance(new, str):
        return True
    one, other = ipaddress.ip_network(old), ipaddress.ip_network(new)
    return one.version == other.version and one.subnet_of(other)  # type: ignore[arg-type]


def same(facts: TypeFacts, path: str, old: Any, new: Any) -> bool:
    """Whether two values of a property mean the same."""
    if UNKNOWN in (old, new):
        return False
    if schema_path(path) in facts.links and same_link(old, new):
        return True
    if _is_set(facts, path) and isinstance(old, list) and isinstance(new, list):
        return _sorted(old) == _sorted(new)
    if path in facts.disabled and not (old or {}).get("enabled") and not (new or {}).get("enabled"):
        return True
    # What is empty or zero is the same as nothing to the provider's SDK.
    return bool(old == new or (old in _NOTHING and new in _NOTHING))


def _is_set(facts: TypeFacts, path: str) -> bool:
    return schema_path(path) in facts.sets and not path.endswith("]")


def _sorted(values: list[Any]) -> list[str]:
    return sorted(json.dumps(_paths(v), sort_keys=True, default=repr) for v in values)


def _paths(value: Any) -> Any:
    """A value with self links as paths."""
    if isinstance(value, dict):
        return {key: _paths(inner) for key, inner in value.items()}
    return relative(value) if isinstance(value, str) else value


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
