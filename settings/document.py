"""Reading an environment file: its values, and the line each of them stands on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml

from settings.environment import PROJECT_NAME
from settings.refusal import Finding, Path, RefusedError

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
ROOT = FilePath(__file__).resolve().parent.parent


@dataclass
class Document:
    """The `tpu-serving:` part of a `Pulumi.<env>.yaml`, without the namespace in its keys."""

    name: str
    origin: str
    data: dict[str, Any]
    lines: dict[Path, int] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()

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
    cleaned = "".join(c if c.isalnum() else "-" for c in stem.lower()).strip("-")
    return cleaned if cleaned[:1].isalpha() else f"env-{cleaned}".rstrip("-")


def read_document(path: FilePath) -> Document:
    """Read an environment file.

    Raises:
        RefusedError: not readable, not YAML, not a mapping, or a key stands twice.
    """
    origin = str(path)
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=_Loader)
        raw = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(
            origin, f"The file can't be read: {error}.", "Check the path and the file's permissions."
        ) from None
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else None
        problem = getattr(error, "problem", None) or str(error)
        raise _unreadable(origin, f"The file is not valid YAML: {problem}.", "Mend the YAML.", line) from None
    if raw is None:
        raw = {}
    if not isinstance(raw, dict) or not isinstance(raw.get("config", {}), dict):
        raise _unreadable(
            origin,
            "The file has no mapping `config:`.",
            f"Start it with `config:` and keys such as `{PROJECT_NAME}:project:`.",
        )
    repeated: list[Finding] = []
    lines: dict[Path, int] = {}
    if node is not None:
        _collect(node, (), lines, repeated, set())
    if repeated:
        raise RefusedError(repeated, origin)
    config: dict[Any, Any] = raw.get("config") or {}
    data: dict[str, Any] = {}
    secrets: set[str] = set()
    stripped_lines: dict[Path, int] = {}
    for key, value in config.items():
        name = str(key).removeprefix(f"{PROJECT_NAME}:")
        if ":" in name:
            continue  # gcp:project and the like belong to a provider
        if isinstance(value, dict) and set(value) == {"secure"}:
            secrets.add(name)
            continue
        data[name] = value
        for at, number in lines.items():
            if at[:2] == ("config", key):
                stripped_lines[(name, *at[2:])] = number
    return Document(environment_name(path), origin, data, stripped_lines, frozenset(secrets))


def _unreadable(origin: str, message: str, fix: str, line: int | None = None) -> RefusedError:
    return RefusedError([Finding("ST00", (), None, message, fix, line=line)], origin)


def _collect(node: Any, path: Path, lines: dict[Path, int], repeated: list[Finding], inside: set[int]) -> None:
    # An alias may point back at what holds it; a node is never walked inside itself.
    if id(node) in inside:
        return
    inside = inside | {id(node)}
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key_node, value_node in node.value:
            key = getattr(key_node, "value", None)
            if not isinstance(key, str):
                continue
            number = key_node.start_mark.line + 1
            if key in seen:
                repeated.append(
                    Finding(
                        "ST01",
                        (*path, key),
                        None,
                        f"The key `{key}` stands twice; the first would be lost.",
                        "Keep one of the two.",
                        line=number,
                    )
                )
            seen.add(key)
            lines[(*path, key)] = number
            _collect(value_node, (*path, key), lines, repeated, inside)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*path, index)] = item.start_mark.line + 1
            _collect(item, (*path, index), lines, repeated, inside)
