"""What differs between an object as it is and as it is asked for, and which differences replace it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from providers.base import UNKNOWN, Change
from providers.kubernetes.values import at, prune, same

KubeObject = dict[str, Any]
Path_ = tuple[str | int, ...]

# Set by the server; neither an input nor a difference.
READ_ONLY = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "uid",
)
_IDENTITY = ["metadata.name", "metadata.namespace"]


@dataclass(frozen=True)
class Mutability:
    """Whether data of Secrets and ConfigMaps changes in place (provider options, both off by default)."""

    secret: bool = False
    config_map: bool = False


def as_asked(live: KubeObject, inputs: KubeObject) -> KubeObject:
    """The part of the live object that its inputs speak of: what drifted shows, what the server added does not."""
    pruned = dict(prune(live, inputs))
    if live.get("kind") == "Secret" and "stringData" in inputs:
        pruned["stringData"] = {
            key: value
            for key, value in (inputs["stringData"] or {}).items()
            if at(live, "data", key) == base64.b64encode(str(value).encode()).decode()
        }
    metadata = pruned.get("metadata")
    if isinstance(metadata, dict):
        pruned["metadata"] = {k: v for k, v in metadata.items() if k not in READ_ONLY}
    return pruned


def compare(old: Any, new: Any, force_new: Sequence[str] = ()) -> dict[str, Change]:
    """Differences by property path; a path of `force_new` that is touched makes its change a replacement."""
    found: dict[str, Change] = {}
    patterns = [_pattern(text) for text in force_new]
    for path, change, value in _walk((), old, new):
        replaces = any(_touches(path, value, pattern) for pattern in patterns)
        found[render(path)] = f"{change}-replace" if replaces else change  # type: ignore[assignment]
    return found


def force_new(obj: KubeObject, mutability: Mutability) -> list[str]:
    """The properties of an object whose change replaces it."""
    group, _, version = str(obj["apiVersion"]).rpartition("/")
    kind = obj["kind"]
    if (version, group, kind) == ("v1", "", "Secret") and (not mutability.secret or obj.get("immutable") is True):
        return [*_IDENTITY, "type", "stringData", "data"]
    if (version, group, kind) == ("v1", "", "ConfigMap"):
        frozen = not mutability.config_map or obj.get("immutable") is True
        return [*_IDENTITY, *(["binaryData", "data"] if frozen else [])]
    table = _table()
    keys = [f"{version}/{kind}"] if not group else [f"{group}/{version}/{kind}", f"{group}/*/{kind}"]
    return [*_IDENTITY, *(path for key in keys for path in table.get(key, []))]


def ignored(path: str, ignore: Sequence[str]) -> bool:
    """Whether `ignore_changes` covers a property path; a `*` in it stands for one key or index."""
    parts = _split(path)
    for text in ignore:
        wanted = _split(text)
        if len(wanted) <= len(parts) and all(w in ("*", p) for w, p in zip(wanted, parts, strict=False)):
            return True
    return False


def render(path: Path_) -> str:
    """A property path as the engine reads it."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif any(c in part for c in '."[]'):
            escaped = part.replace('"', '\\"')
            text += f'["{escaped}"]'
        else:
            text += f".{part}" if text else part
    return text


@cache
def _table() -> dict[str, list[str]]:
    data = yaml.safe_load((Path(__file__).parent / "force_new.yaml").read_text(encoding="utf-8"))
    return dict(data["kinds"])


def _walk(path: Path_, old: Any, new: Any) -> list[tuple[Path_, str, Any]]:
    if same(old, new):
        return []
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = [*new, *(k for k in old if k not in new)]
        return [found for key in keys for found in _entry((*path, key), key in old, key in new, old, new, key)]
    if isinstance(old, list) and isinstance(new, list):
        both = range(max(len(old), len(new)))
        return [found for i in both for found in _entry((*path, i), i < len(old), i < len(new), old, new, i)]
    return [(path, "update", new)]


def _entry(path: Path_, has_old: bool, has_new: bool, old: Any, new: Any, key: Any) -> list[tuple[Path_, str, Any]]:
    if has_old and has_new:
        return _walk(path, old[key], new[key])
    if has_new:
        return [] if same(None, new[key]) and isinstance(key, str) else [(path, "add", new[key])]
    return [] if same(old[key], None) and isinstance(key, str) else [(path, "delete", None)]


def _pattern(text: str) -> list[str]:
    return text.replace("[]", ".[]").split(".")


def _touches(path: Path_, value: Any, pattern: Sequence[str]) -> bool:
    """Whether a change at `path` (to `value`) lies in `pattern`, or above it and its value has what the pattern names."""
    for i, wanted in enumerate(pattern):
        if i == len(path):
            return _has(value, pattern[i:])
        if wanted != ("[]" if isinstance(path[i], int) else path[i]):
            return False
    return True


def _has(value: Any, pattern: Sequence[str]) -> bool:
    if not pattern:
        return True
    if value is UNKNOWN:
        return False
    if pattern[0] == "[]":
        return isinstance(value, list) and any(_has(v, pattern[1:]) for v in value)
    return isinstance(value, Mapping) and pattern[0] in value and _has(value[pattern[0]], pattern[1:])


def _split(path: str) -> list[str]:
    """Keys and indices of a property path such as `spec.rules[0]` or `metadata.annotations["a.b/c"]`."""
    parts: list[str] = []
    rest = path
    while rest:
        if rest.startswith('["'):
            end = rest.index('"]')
            parts.append(rest[2:end].replace('\\"', '"'))
            rest = rest[end + 2 :]
        elif rest.startswith("["):
            end = rest.index("]")
            parts.append(rest[1:end])
            rest = rest[end + 1 :]
        else:
            rest = rest.removeprefix(".")
            end = min((i for i in (rest.find("."), rest.find("[")) if i >= 0), default=len(rest))
            parts.append(rest[:end])
            rest = rest[end:]
    return [part for part in parts if part]
