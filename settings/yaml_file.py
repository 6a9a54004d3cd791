"""The YAML of an environment file as values, each with its line.

Size and depth are limited before anything is composed: PyYAML composes recursively in C and merges keys in place, so
that a small file could end the process or never end. What `pulumi up` would not hand over as written is refused here.
"""

from __future__ import annotations

import datetime
import difflib
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, ClassVar

import yaml

from settings.form import key_at
from settings.names import PROJECT_NAME
from settings.refusal import Finding, Path, RefusedError
from settings.secrets import hidden, holds_secret
from settings.text import control_character

_TAG = "tag:yaml.org,2002:"
# YAML 1.2's numbers and truth values, as the engine's own YAML has them (seen with the CLI 3.259.0): `10:00` is no
# number there, `1e3` and `0o17` are; yes, no, on and off are text.
_SCALARS = {
    "bool": ("tTfF", r"^(?:true|True|TRUE|false|False|FALSE)$"),
    "int": ("-+0123456789", r"^[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)$"),
    "float": (
        "-+.0123456789",
        r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$",
    ),
}
_NAMES = {"bool": "true or false", "int": "whole number", "float": "number"}
# A hundred models take about two thousand values.
_MOST_VALUES = 100_000
_MOST_BYTES = 5_000_000
_DEEPEST = 50
_LONGEST_NUMBER = 100


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Resolves plain scalars as `pulumi up` does."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {
        letter: [(tag, pattern) for tag, pattern in resolvers if tag.removeprefix(_TAG) not in _SCALARS]
        for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


for _name, (_letters, _pattern) in _SCALARS.items():
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(_pattern), list(_letters))


@dataclass
class Contents:
    """`values`: what stands below `config:`, our namespace left out of the keys. `lines`: of every value by its path
    (1-based). `findings`: what is refused at its line.
    """

    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[Path, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def unreadable(origin: str, message: str, fix: str, line: int | None = None) -> RefusedError:
    """The file as a whole is refused (ST00)."""
    return RefusedError([Finding("ST00", (), None, message, fix, line=line)], origin)


def read_text(path: FilePath) -> str:
    """The text of a regular file.

    Raises:
        RefusedError: no regular file, too large, not readable, or not valid UTF-8.
    """
    origin = str(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise unreadable(origin, "This is not a regular file.", "Name a file with the environment's settings.")
        if status.st_size > _MOST_BYTES:
            raise unreadable(origin, f"The file is larger than {_MOST_BYTES // 1_000_000} MB.", "Make it smaller.")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise unreadable(origin, f"The file is not valid UTF-8: {error.reason}.", "Save it as UTF-8.") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        said = getattr(error, "strerror", None) or str(error)
        fix = "Check the path and the file's permissions."
        raise unreadable(origin, f"The file cannot be read: {said}.", fix) from None


def parse(text: str, origin: str) -> Contents:
    """The settings in the text.

    Raises:
        RefusedError: not valid YAML, too large or too deep once aliases are expanded, or without a mapping `config:`.
    """
    try:
        _limit(text, origin)
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
        line = mark.line + 1 if mark else None
        # libyaml says "found character that cannot start any token", and not which one.
        tab = line is not None and any("\t" in row for row in text.splitlines()[line - 1 : line])
        fix = "Replace the tab by spaces." if tab else "Fix the YAML."
        raise unreadable(origin, f"The file is not valid YAML: {problem}.", fix, line) from None
    return _Reader(origin).read(root)


def _limit(text: str, origin: str) -> None:
    """Count values as if every alias were written out, without composing any."""
    sizes: dict[str | None, int] = {}
    open_: list[tuple[str | None, int]] = []  # anchor and size of each collection around the event
    size = 0
    event: Any
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            open_.append((event.anchor, size))
            size = 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_.pop()
            if anchor:
                sizes[anchor] = size
            size += before
        elif isinstance(event, yaml.AliasEvent):
            size += sizes.get(event.anchor or "", 1)
        elif isinstance(event, yaml.ScalarEvent):
            size += 1
            if event.anchor:
                sizes[event.anchor] = 1
        line = event.start_mark.line + 1
        if size > _MOST_VALUES:
            said = f"The file has more than {_MOST_VALUES} values, with aliases expanded."
            raise unreadable(origin, said, "Remove aliases of aliases, or split the file.", line)
        if len(open_) > _DEEPEST:
            raise unreadable(origin, f"The file is nested deeper than {_DEEPEST} levels.", "Make it flatter.", line)


class _Reader:
    """Makes values of the settings' nodes; everything else in the file is only looked at for misplaced keys."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._made = Contents()
        self._inside: set[int] = set()

    def read(self, root: Any) -> Contents:
        if root is None:
            return self._made
        if not isinstance(root, yaml.MappingNode):
            raise self._no_config()
        seen: set[str] = set()
        for key_node, value_node in root.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else ""
            self._duplicate(seen, key, (), key_node)
            if key == "config":
                self._config(value_node)
            elif key_at((key.removeprefix(f"{PROJECT_NAME}:"),)) is not None:
                said = f"`{key}` is outside `config:`, where nothing reads it."
                self._refuse("ST01", (key,), said, "Indent it below `config:`.", key_node)
            if key != "config":
                self._plain_secret((key,), key_node, value_node)
        return self._made

    def _no_config(self) -> RefusedError:
        fix = f"Begin it with:\nconfig:\n  {PROJECT_NAME}:project: {{id: my-project}}"
        return unreadable(self._origin, "The file has no mapping `config:`.", fix)

    def _config(self, node: Any) -> None:
        if isinstance(node, yaml.ScalarNode) and node.tag == f"{_TAG}null":
            return
        if not isinstance(node, yaml.MappingNode):
            raise self._no_config()
        seen: set[str] = set()
        for key_node, value_node in node.value:
            key = self._key(key_node, ())
            if key is None:
                continue
            name = key.removeprefix(f"{PROJECT_NAME}:")
            self._duplicate(seen, name, (), key_node)
            if meant := _meant(name):
                said = f"`{key}` does not belong to this project; it would be ignored."
                self._refuse("ST01", (key,), said, f"Write `{meant}`.", key_node)
            elif ":" in name:  # gcp:project and the like belong to a provider
                self._plain_secret((name,), key_node, value_node)
            else:
                self._made.lines[(name,)] = key_node.start_mark.line + 1
                self._made.values[name] = self._value(value_node, (name,))

    def _value(self, node: Any, path: Path) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if id(node) in self._inside:
            said = "An alias refers to a node that contains it, so it would never end."
            raise unreadable(self._origin, said, "Write the values out.", node.start_mark.line + 1)
        self._inside.add(id(node))
        made: Any
        if isinstance(node, yaml.SequenceNode):
            made = []
            for index, item in enumerate(node.value):
                self._made.lines[(*path, index)] = item.start_mark.line + 1
                made.append(self._value(item, (*path, index)))
        else:
            made = self._mapping(node, path)
        self._inside.discard(id(node))
        return made

    def _mapping(self, node: Any, path: Path) -> dict[str, Any]:
        made: dict[str, Any] = {}
        seen: set[str] = set()
        for key_node, value_node in node.value:
            if key_node.tag == f"{_TAG}merge":
                self._merge(made, value_node, path, key_node)
                continue
            key = self._key(key_node, path)
            if key is None:
                continue
            self._duplicate(seen, key, path, key_node)
            self._made.lines[(*path, key)] = key_node.start_mark.line + 1
            made[key] = self._value(value_node, (*path, key))
        return made

    def _merge(self, made: dict[str, Any], node: Any, path: Path, key_node: Any) -> None:
        """Refuse a merge, and take its keys all the same, so that none of them is called missing."""
        said = "Merge keys (`<<`) are not supported."
        self._refuse("ST01", (*path, "<<"), said, "Write out the keys of what is merged.", key_node)
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            merged = self._value(source, path) if isinstance(source, yaml.MappingNode) else {}
            for key, value in merged.items():
                made.setdefault(key, value)

    def _key(self, node: Any, path: Path) -> str | None:
        """A key, which is text; None where it is refused."""
        if not isinstance(node, yaml.ScalarNode):
            self._refuse("ST01", path, "A key here is a list or a mapping.", "Write keys as text.", node)
        elif node.tag != f"{_TAG}str":
            kind = node.tag.removeprefix(_TAG)
            said = f"The key `{node.value}` is read as {_NAMES.get(kind, kind)}; keys are text."
            self._refuse("ST01", (*path, str(node.value)), said, f'Quote it: "{node.value}".', node)
        elif found := control_character(node.value):
            said = f"The key contains the control character {found}."
            self._refuse("ST01", (*path, str(node.value)), said, "Remove the character.", node)
        else:
            return str(node.value)
        return None

    def _scalar(self, node: Any, path: Path) -> Any:
        kind, text = node.tag.removeprefix(_TAG), node.value
        if kind == "null":
            return None
        if kind == "str":
            if found := control_character(text):
                said = f"The value contains the control character {found}."
                self._refuse("ST02", path, said, "Remove the character.", node)
            return text
        try:
            return _convert(kind, text)
        except KeyError:
            said, fix = f"The YAML tag `{node.tag}` is not supported.", "Remove the tag and write the plain value."
        except (ValueError, OverflowError):
            shown = str(hidden(text))
            shown = shown if len(shown) <= 40 else f"{shown[:37]}..."
            said = f"`{shown}` is not a valid {_NAMES.get(kind, kind)}."
            fix = "Write a value of that type, or quote it to make it text."
        self._refuse("ST02", path, said, fix, node)
        return None

    def _duplicate(self, seen: set[str], key: str, path: Path, node: Any) -> None:
        if key and key in seen:
            said = f"Duplicate key `{key}`; the first value would be lost."
            self._refuse("ST01", (*path, key), said, "Keep one of the two.", node)
        seen.add(key)

    def _plain_secret(self, path: Path, *nodes: Any) -> None:
        """Refuse known forms of secrets in clear in parts of the file that are not settings of ours."""
        for scalar in _scalars(list(nodes)):
            if holds_secret(str(scalar.value)):
                fix = "Revoke it, then store a new one encrypted: pulumi config set --secret KEY"
                self._refuse("SC03", path, "This looks like a secret in clear.", fix, scalar)

    def _refuse(self, rule: str, path: Path, said: str, fix: str, node: Any) -> None:
        line = node.start_mark.line + 1
        if not any((f.rule, f.line, f.message) == (rule, line, said) for f in self._made.findings):
            self._made.findings.append(Finding(rule, path, None, said, fix, line=line))


def _scalars(waiting: list[Any]) -> Iterator[Any]:
    """Every scalar of the nodes and below them, each once."""
    visited: set[int] = set()
    while waiting:
        current = waiting.pop()
        if id(current) in visited:
            continue
        visited.add(id(current))
        if isinstance(current, yaml.ScalarNode):
            yield current
        else:
            waiting += [part for pair in current.value for part in (pair if isinstance(pair, tuple) else (pair,))]


def _convert(kind: str, text: str) -> Any:
    """Raises KeyError for a kind that settings do not have, ValueError or OverflowError for text that is none of its kind."""
    if kind == "timestamp":
        return _date(text)
    pattern = _SCALARS[kind][1]
    if len(text) > _LONGEST_NUMBER or not re.match(pattern, text):
        raise ValueError(text)
    if kind == "bool":
        return text.lower() == "true"
    if kind == "float":
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return _integer(text)


def _integer(text: str) -> int:
    """A leading zero means octal, as the engine's YAML has it."""
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-").replace("_", "")
    if re.match(r"0[0-7]", digits):
        return sign * int(digits, 8)
    return sign * int(digits, 0)


def _date(text: str) -> Any:
    """A date or time; what only looks like one (2027-02-30) is text, and is answered at its line."""
    try:
        return datetime.date.fromisoformat(text) if len(text) == 10 else datetime.datetime.fromisoformat(text)
    except ValueError:
        return text


def _meant(name: str) -> str | None:
    """Our own key behind one whose namespace is nearly ours, or that only we have; None for gcp:project and the like."""
    namespace, colon, key = name.partition(":")
    if not colon or key_at((key,)) is None:
        return None
    near = difflib.get_close_matches(namespace.lower(), [PROJECT_NAME], cutoff=0.7)
    return f"{PROJECT_NAME}:{key}" if near or key == "models" else None
