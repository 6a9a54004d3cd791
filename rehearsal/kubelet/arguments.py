"""A container's command line on this machine: the image table's rules applied to the pod's command and args."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from rehearsal import die_with_parent
from rehearsal.kubelet.images import ConfigRule, Executable, Image
from rehearsal.kubelet.paths import PathMap
from rehearsal.kubelet.ports import PortMap

HOST_PATH = "/usr/local/bin:/usr/bin:/bin"
_PROJECT = Path(__file__).resolve().parents[2]


class StartError(Exception):
    """A container that can't be started: its program is not there."""


@dataclass(frozen=True)
class Flag:
    """Where a flag stands in an argument list."""

    index: int
    value: str | None
    separate: bool


def find_flag(args: list[str], flag: str) -> Flag | None:
    """The last occurrence of `--flag=value` or `--flag value` (with one dash too, as Go's flag package takes both)."""
    names = (flag, flag[1:]) if flag.startswith("--") else (flag,)
    for index in range(len(args) - 1, -1, -1):
        name, equals, value = args[index].partition("=")
        if name not in names:
            continue
        if equals:
            return Flag(index, value, separate=False)
        return Flag(index, args[index + 1] if index + 1 < len(args) else None, separate=True)
    return None


def with_flag(args: list[str], flag: str, value: str) -> list[str]:
    """The arguments with a flag set, in place where it is there already."""
    found = find_flag(args, flag)
    if found is None:
        return [*args, f"{flag}={value}"]
    if found.separate:
        return [*args[: found.index + 1], value, *args[found.index + 2 :]]
    return [*args[: found.index], f"{flag}={value}", *args[found.index + 1 :]]


def port_of(value: str) -> int | None:
    """The port in `9443`, `:9443` or `127.0.0.1:9443`; None for `0`, which means off.

    Raises StartError for anything else.
    """
    text = value.rsplit(":", 1)[-1]
    if not text.isdigit():
        raise StartError(f"{value!r} is not a port or an address with a port")
    return int(text) or None


def apply_rules(image: Image, args: list[str], ports: PortMap, folder: Path, paths: PathMap) -> list[str]:
    """The arguments as the program gets them here.

    A changed configuration file is written to `folder`, with the container's `paths` in it rewritten.
    """
    if image.drop_empty:
        args = [arg for arg in args if arg]
    for drop in image.drop:
        while (found := find_flag(args, drop.flag)) is not None:
            width = 2 if drop.has_value and found.separate else 1
            args = args[: found.index] + args[found.index + width :]
    for rule in image.ports:
        found = find_flag(args, rule.flag)
        port = rule.default if found is None or found.value is None else port_of(found.value)
        if port is not None:
            args = with_flag(args, rule.flag, _value(rule.form, ports.real(port)))
    if image.config is not None and (found := find_flag(args, image.config.flag)) and found.value:
        copy = _configuration(image.config, Path(found.value), ports, folder, paths)
        args = with_flag(args, image.config.flag, str(copy))
    return args


def _value(form: Literal["port", "address"], port: int) -> str:
    return str(port) if form == "port" else f"127.0.0.1:{port}"


def _configuration(rule: ConfigRule, source: Path, ports: PortMap, folder: Path, paths: PathMap) -> Path:
    try:
        document = yaml.safe_load(source.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise StartError(f"configuration file {source}: {error.strerror}") from error
    for port in rule.ports:
        given = _get(document, port.path)
        number = port.default if given is None else port_of(str(given))
        if number is not None:
            real = ports.real(number)
            _set(document, port.path, real if port.form == "port" else _value("address", real))
    for path, value in rule.set.items():
        _set(document, path, value)
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / source.name
    copy.write_text(paths.rewrite(yaml.safe_dump(document, sort_keys=False)), encoding="utf-8")
    return copy


def _get(document: dict[str, Any], path: str) -> Any:
    value: Any = document
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _set(document: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for key in parents:
        document = document.setdefault(key, {})
    document[last] = value


class Programs:
    """The programs of one image on this machine.

    `binary` finds an asset by name and returns None where it is not there.
    """

    def __init__(self, image: Image, binary: Callable[[str], Path | None]) -> None:
        self._image = image
        self._binary = binary

    def command(self, argv: list[str]) -> list[str]:
        """The command with its program replaced by the local one. Raises StartError where there is none."""
        executable = self._image.executables.get(Path(argv[0]).name)
        if executable is not None:
            return [*self._local(executable), *argv[1:]]
        host = shutil.which(Path(argv[0]).name, path=HOST_PATH)
        if host is None:
            raise StartError(f'exec: "{argv[0]}": executable file not found in $PATH')
        return [host, *argv[1:]]

    def write_shims(self, folder: Path) -> None:
        """Small scripts with the image's program names, for shells that call them; they die with the shell."""
        folder.mkdir(parents=True, exist_ok=True)
        wrapper = shlex.join([sys.executable, "-I", "-S", str(Path(die_with_parent.__file__).resolve())])
        for name, executable in self._image.executables.items():
            shim = folder / name
            command = shlex.join(self._local(executable))
            shim.write_text(f'#!/bin/sh\nexec {wrapper} "$PPID" {command} "$@"\n', encoding="utf-8")
            shim.chmod(0o700)

    def environment(self) -> dict[str, str]:
        """What our own modules need to be found."""
        has_module = any(executable.module for executable in self._image.executables.values())
        return {"PYTHONPATH": str(_PROJECT)} if has_module else {}

    def _local(self, executable: Executable) -> list[str]:
        if executable.asset is not None:
            path = self._binary(executable.asset)
            if path is None:
                raise StartError(f"asset {executable.asset} is not there: run `python -m serving rehearse --prepare`")
            return [str(path)]
        if executable.module is not None:
            return [sys.executable, "-m", executable.module]
        return [sys.executable]
