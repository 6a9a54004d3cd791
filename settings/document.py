"""Reading an environment file: its values, and the line each of them stands on."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, ClassVar

import yaml

from settings.form import key_at
from settings.names import PROJECT_NAME
from settings.refusal import Finding, Path, RefusedError

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


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads values as `pulumi up` hands them over."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {
        letter: [(tag, pattern) for tag, pattern in resolvers if tag.removeprefix(_TAG) not in _SCALARS]
        for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def date(self, node: Any) -> Any:
        """A date; what only looks like one (2027-02-30) is text, and so is answered at its line."""
        try:
            return self.construct_yaml_timestamp(node)
        except ValueError:
            return node.value


for _name, (_letters, _pattern) in _SCALARS.items():
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(_pattern), list(_letters))
_Loader.add_constructor(f"{_TAG}timestamp", _Loader.date)
ROOT = FilePath(__file__).resolve().parent.parent
# A hundred models take about two thousand.
_MOST_NODES = 100_000
_DEEPEST = 50


@dataclass
class Document:
    """The `tpu-serving:` part of a `Pulumi.<env>.yaml`, without the namespace in its keys."""

    name: str
    origin: str
    data: dict[str, Any]
    lines: dict[Path, int] = field(default_factory=dict)
    secrets: frozenset[str] | None = None  # keys of encrypted values; None: only the engine knows them

    def line_of(self, path: Path) -> int | None:
        """Line of a value, or of the nearest thing around it that the file has."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)


def find_environment(environment: str, folder: FilePath | None = None) -> FilePath:
    """The file of an environment: a path as it is, or the name of a `Pulumi.<name>.yaml`.

    Raises:
        RefusedError: there is no such file; the message lists those that are there.
    """
    folder = folder or ROOT
    as_path = FilePath(environment).expanduser()
    if as_path.is_file():
        return as_path
    candidate = folder / f"Pulumi.{environment}.yaml"
    if "/" not in environment and candidate.is_file():
        return candidate
    if as_path.is_dir():
        raise _unreadable(environment, "This is a folder.", "Name a file in it.")
    known = sorted(p.name.removeprefix("Pulumi.").removesuffix(".yaml") for p in folder.glob("Pulumi.*.yaml"))
    raise RefusedError(
        [
            Finding(
                rule="ST00",
                path=(),
                value=environment,
                message=f"There is no environment '{environment}': neither a file of that name nor {candidate.name}.",
                fix=f"Use one of: {', '.join(known)}; or the path of a file." if known else "Give the path of a file.",
            )
        ],
        environment,
    )


def environment_name(path: FilePath) -> str:
    """`Pulumi.dev.yaml` -> `dev`; any other file: its stem, made fit for a stack name."""
    stem = path.name.removesuffix(".yaml").removesuffix(".yml").removeprefix("Pulumi.")
    cleaned = "".join(c if c.isascii() and c.isalnum() else "-" for c in stem.lower()).strip("-")
    return cleaned if cleaned[:1].isalpha() else f"env-{cleaned}".rstrip("-")


def read_document(path: FilePath) -> Document:
    """Read an environment file.

    Raises:
        RefusedError: not readable, not YAML, not a mapping, a setting is encrypted, or a key stands twice or outside
            `config:`.
    """
    origin = str(path)
    lines, raw = _parse(path)
    if not isinstance(raw, dict) or not isinstance(raw.get("config") or {}, dict):
        raise _unreadable(
            origin,
            "The file has no mapping `config:`.",
            f"Begin it with:\nconfig:\n  {PROJECT_NAME}:project: {{id: my-project}}",
        )
    if lines.misplaced:
        raise RefusedError(lines.misplaced, origin)
    data: dict[str, Any] = {}
    secrets: set[str] = set()
    for key, value in (raw.get("config") or {}).items():
        name = str(key).removeprefix(f"{PROJECT_NAME}:")
        if ":" in name:
            continue  # gcp:project and the like belong to a provider
        if isinstance(value, dict) and set(value) == {"secure"}:
            if key_at((name,)) is not None:
                said = f"`{name}` is encrypted, so nobody could say what it means before an up."
                fix = "Write it in clear; secrets are keys of your own, which pulumiConfig names."
                raise RefusedError([Finding("ST02", (name,), None, said, fix, line=lines.found.get((name,)))], origin)
            secrets.add(name)
            continue
        data[name] = value
    return Document(environment_name(path), origin, data, lines.found, frozenset(secrets))


def _parse(path: FilePath) -> tuple[_Lines, Any]:
    """The lines of a file's values, and the values: the text is parsed once."""
    origin = str(path)
    lines = _Lines(origin)
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        try:
            node = loader.get_single_node()
            if node is None:
                return lines, {}
            lines.collect(node, ())  # before values are made, which writes merged keys (`<<`) into the nodes
            return lines, loader.construct_document(node) or {}
        finally:
            loader.dispose()
    except UnicodeDecodeError as error:
        raise _unreadable(origin, f"The file is no text in UTF-8: {error.reason}.", "Save it as UTF-8.") from None
    except OSError as error:
        fix = "Check the path and the file's permissions."
        raise _unreadable(origin, f"The file can't be read: {error}.", fix) from None
    except RecursionError:
        raise _unreadable(origin, "The file is nested too deep.", "Make it flatter.") from None
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else None
        problem = getattr(error, "problem", None) or str(error)
        raise _unreadable(origin, f"The file is not valid YAML: {problem}.", "Mend the YAML.", line) from None


def _meant(name: str) -> str | None:
    """Our own key behind one whose namespace is nearly ours; None for gcp:project and the like."""
    namespace, colon, key = name.partition(":")
    if not colon or key_at((key,)) is None:
        return None
    import difflib  # only where a key has a namespace

    near = difflib.get_close_matches(namespace.lower(), [PROJECT_NAME], cutoff=0.7)
    return f"{PROJECT_NAME}:{key}" if near else None


def _unreadable(origin: str, message: str, fix: str, line: int | None = None) -> RefusedError:
    return RefusedError([Finding("ST00", (), None, message, fix, line=line)], origin)


class _Lines:
    """The line of everything below `config:`, by its path in the settings, and keys that stand twice or elsewhere."""

    def __init__(self, origin: str) -> None:
        self.found: dict[Path, int] = {}
        self.misplaced: list[Finding] = []
        self._origin = origin
        self._inside: set[int] = set()
        self._visited = 0

    def collect(self, node: Any, path: Path, in_config: bool = False) -> None:
        """Walk a node. `in_config`: its keys are settings; above, only the way to `config:` is looked at."""
        # An alias may point back at what holds it: a node is never walked inside itself. Aliases of aliases can make a
        # small file stand for billions of values.
        self._visited += 1
        if self._visited > _MOST_NODES:
            raise _unreadable(self._origin, f"The file has more than {_MOST_NODES} values.", "Write less of it.")
        if len(path) > _DEEPEST:
            raise _unreadable(
                self._origin, "The file is nested too deep.", "Make it flatter.", node.start_mark.line + 1
            )
        if id(node) in self._inside:
            said = "An alias stands inside what it names, so it would never end."
            raise _unreadable(self._origin, said, "Write the values out.", node.start_mark.line + 1)
        self._inside.add(id(node))
        if isinstance(node, yaml.MappingNode):
            self._mapping(node, path, in_config)
        elif isinstance(node, yaml.SequenceNode) and in_config:
            for index, item in enumerate(node.value):
                self.found[(*path, index)] = item.start_mark.line + 1
                self.collect(item, (*path, index), True)
        self._inside.discard(id(node))

    def _mapping(self, node: Any, path: Path, in_config: bool) -> None:
        seen: set[str] = set()
        for key_node, value_node in node.value:
            key = getattr(key_node, "value", None)
            if not isinstance(key, str):
                continue
            number = key_node.start_mark.line + 1
            name = key.removeprefix(f"{PROJECT_NAME}:") if in_config and not path else key
            if name in seen:
                said = f"The key `{key}` stands twice; the first would be lost."
                self.misplaced.append(Finding("ST01", (*path, key), None, said, "Keep one of the two.", line=number))
            seen.add(name)
            if in_config and not path and (meant := _meant(name)):
                said = f"`{key}` belongs to no project that is here; it would be ignored."
                self.misplaced.append(Finding("ST01", (key,), None, said, f"Write `{meant}`.", line=number))
            if in_config:
                self.found[(*path, name)] = number
                self.collect(value_node, (*path, name), True)
            elif key == "config":
                self.collect(value_node, (), True)
            elif key_at((key.removeprefix(f"{PROJECT_NAME}:"),)) is not None:
                said = f"`{key}` stands outside `config:`, where nothing reads it."
                self.misplaced.append(Finding("ST01", (key,), None, said, "Indent it, below `config:`.", line=number))
