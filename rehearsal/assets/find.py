"""Where an asset already is on this machine.

Looked for in this order: the variable `TPU_SERVING_ASSET_<NAME>`, our cache, the plugin cache of the user's Pulumi, `PATH`.
What is not ours is only taken where its version will do; with `TPU_SERVING_ASSETS=cache`, not at all.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rehearsal.assets.cache import Entry
from rehearsal.assets.table import AssetError, Binary, table

_ANSWER = 20.0  # seconds, from a cold disk


class Found(NamedTuple):
    """An asset on this machine. `how`: the variable's name, PULUMI_HOME, PATH, or how it came into the cache."""

    name: str
    path: Path
    how: str
    version: str


def find(names: Sequence[str]) -> dict[str, Found]:
    """What of these is on this machine; what is not is left out. Nothing is made.

    Raises:
        AssetError: a variable names a file that can't be run.
    """
    return {name: found for name in names if (found := _find(name, table().binaries[name]))}


def entry(name: str) -> Entry:
    """The place of an asset in the cache."""
    row = table().binaries[name]
    return Entry(name, f"{row.version}-{row.key}", name)


def variable(name: str) -> str:
    """The variable that names a binary of one's own."""
    return f"TPU_SERVING_ASSET_{name.upper().replace('-', '_')}"


def _find(name: str, row: Binary) -> Found | None:
    if chosen := os.environ.get(variable(name)):
        path = Path(chosen).expanduser().absolute()
        if not (path.is_file() and os.access(path, os.X_OK)):
            raise AssetError(f"{variable(name)}={chosen}", "no file that can be run", [f"unset {variable(name)}"])
        return Found(name, path, variable(name), _version(path, row) or "unknown")
    if record := entry(name).record():
        return Found(name, entry(name).path, record["how"], row.version)
    if os.environ.get("TPU_SERVING_ASSETS") == "cache":
        return None
    home = Path(os.environ.get("PULUMI_HOME") or "~/.pulumi").expanduser().absolute()
    folder = home / "plugins" / f"{name.removeprefix('pulumi-')}-{row.version}"
    # Beside a plugin that is being unpacked, or whose unpacking broke off, the engine leaves a file `.partial`.
    if row.sdk and os.access(folder / name, os.X_OK) and not folder.with_name(f"{folder.name}.partial").exists():
        return Found(name, folder / name, "PULUMI_HOME", row.version)
    on_path = Path(shutil.which(name) or "/").absolute()
    version = _version(on_path, row)
    taken = version and (version == row.version or (row.fits and fits(version, row.fits)))
    return Found(name, on_path, "PATH", version) if taken else None


def _version(path: Path, row: Binary) -> str:
    """What a program says its version is, with the v that the table's has; empty where it says none in time."""
    said = ""
    with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
        if row.sdk:
            said = _of_plugin(path)
        elif row.ask:
            variables = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}  # it would ask for a newer one
            said = subprocess.check_output([path, *row.ask], text=True, timeout=_ANSWER, env=variables, stdin=-3)
    found = re.search(r"(?<![\w.])v?(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)", said)
    return ("v" if row.module else "") + found[1] if found else ""


def _of_plugin(path: Path) -> str:
    """A provider plugin says its version in its own protocol only, and asks for no engine before that."""
    import grpc  # heavy, and only needed where a plugin is on PATH
    from google.protobuf import empty_pb2
    from pulumi.runtime.proto import provider_pb2_grpc

    with subprocess.Popen([path, "127.0.0.1:9"], stdin=-3, stdout=subprocess.PIPE, stderr=-3) as process:
        try:
            assert process.stdout is not None
            select.select([process.stdout], [], [], _ANSWER)
            with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
                stub = provider_pb2_grpc.ResourceProviderStub(channel)
                return str(stub.GetPluginInfo(empty_pb2.Empty(), timeout=_ANSWER).version)
        except grpc.RpcError:
            return ""
        finally:
            process.kill()


def fits(version: str, wanted: str) -> bool:
    """Does a version satisfy every part of, say, `>=3.5.13,<4`? A pre-release counts as its release."""

    def numbers(text: str) -> list[int]:
        return [*map(int, re.findall(r"\d+", text.split("-")[0])), 0, 0][:3]

    return all((numbers(version) >= numbers(part)) == part.startswith(">=") for part in wanted.split(","))
