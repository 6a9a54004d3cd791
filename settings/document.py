"""Reading an environment file: its values, and the line each of them is on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from settings.form import key_at
from settings.refusal import Finding, Path
from settings.yaml_file import parse, read_text, unreadable

ROOT = FilePath(__file__).resolve().parent.parent


@dataclass
class Document:
    """The `tpu-serving:` part of a `Pulumi.<env>.yaml`, without the namespace in its keys."""

    name: str
    origin: str
    data: dict[str, Any]
    lines: dict[Path, int] = field(default_factory=dict)
    secrets: frozenset[str] | None = None  # keys of encrypted values; None: only the engine knows them
    findings: list[Finding] = field(default_factory=list)  # refused as it was read

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
    if not environment.strip():
        raise unreadable("ENV", "No environment is named.", "Name one, such as dev, or the path of a file.")
    as_path, candidate = FilePath(environment), folder / f"Pulumi.{environment}.yaml"
    try:
        as_path = as_path.expanduser()
        if as_path.is_file():
            return as_path
        if "/" not in environment and candidate.is_file():
            return candidate
        if as_path.is_dir():
            raise unreadable(environment, "This is a folder.", "Name a file in it.")
        if as_path.exists():
            raise unreadable(environment, "This is not a regular file.", "Name a file with the environment's settings.")
    except (OSError, RuntimeError, ValueError) as error:  # name too long, no permission; no such user; a NUL
        said = getattr(error, "strerror", None) or str(error)
        fix = "Check the path and its permissions."
        raise unreadable(environment, f"The path cannot be looked up: {said}.", fix) from None
    known = sorted(p.name.removeprefix("Pulumi.").removesuffix(".yaml") for p in folder.glob("Pulumi.*.yaml"))
    said = f"There is no environment '{environment}': neither a file of that name nor {candidate.name}."
    fix = f"Use one of: {', '.join(known)}; or the path of a file." if known else "Give the path of a file."
    raise unreadable(environment, said, fix)


def environment_name(path: FilePath) -> str:
    """`Pulumi.dev.yaml` -> `dev`; any other file: its stem, made fit for a stack name."""
    stem = path.name.removesuffix(".yaml").removesuffix(".yml").removeprefix("Pulumi.")
    cleaned = "".join(c if c.isascii() and c.isalnum() else "-" for c in stem.lower()).strip("-")
    return cleaned if cleaned[:1].isalpha() else f"env-{cleaned}".rstrip("-")


def read_document(path: FilePath) -> Document:
    """Read an environment file. What is wrong with single keys or values is in `findings`, for `checks` to report with
    everything else.

    Raises:
        RefusedError: not readable, not YAML, or without a mapping `config:`.
    """
    origin = str(path)
    contents = parse(read_text(path), origin)
    data: dict[str, Any] = {}
    secrets: set[str] = set()
    for name, value in contents.values.items():
        if not isinstance(value, dict) or set(value) != {"secure"}:
            data[name] = value
        elif key_at((name,)) is None:
            secrets.add(name)
        else:
            said = f"`{name}` is encrypted, so nobody could say what it means before an up."
            fix = "Write it in clear; secrets are keys of your own, which pulumiConfig names."
            line = contents.lines.get((name,))
            contents.findings.append(Finding("ST02", (name,), None, said, fix, line=line))
    name = environment_name(path)
    return Document(name, origin, data, contents.lines, frozenset(secrets), contents.findings)
