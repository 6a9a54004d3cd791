"""The real kubernetes plugin, where this machine has the locked version; it is kept to what runs on this machine.

The real gcp plugin is never used: it would touch a cloud.
"""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from rehearsal.directory import RehearsalDirectory
from rehearsal.plugins.install import launch

NAME = "kubernetes"
# Seconds that a plugin may take to say its port, and then its version.
_ANSWER = 20.0
# Nobody listens on the discard port. Go asks no proxy for loopback addresses (golang.org/x/net/http/httpproxy).
_NOWHERE = "http://127.0.0.1:9"
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")


@dataclass(frozen=True)
class RealPlugin:
    """A program, and where it was found: `PULUMI_HOME` or `PATH`."""

    path: Path
    how: str


def find_real(version: str) -> RealPlugin | None:
    """The kubernetes plugin of exactly this version: in the plugin cache of the user's own Pulumi, then on `PATH`."""
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi").expanduser()
    folder = home / "plugins" / f"resource-{NAME}-v{version}"
    program = folder / f"pulumi-resource-{NAME}"
    # Beside a plugin that is being unpacked, or whose unpacking broke off, the engine leaves this file.
    whole = not folder.with_name(f"{folder.name}.partial").exists()
    if whole and os.access(program, os.X_OK) and program.is_file():
        return RealPlugin(program.absolute(), "PULUMI_HOME")
    on_path = shutil.which(f"pulumi-resource-{NAME}")
    if on_path and _version(Path(on_path)).removeprefix("v") == version:
        return RealPlugin(Path(on_path).absolute(), "PATH")
    return None


def install_real(plugin: RealPlugin, version: str, directory: RehearsalDirectory) -> Path:
    """Write the launcher of the real plugin into the rehearsal's plugin cache; returns it.

    Whatever a program's provider says, it reaches the API server of the rehearsal and nothing beyond loopback: without a
    kubeconfig of its own it gets the rehearsal's, and everything else is sent to a proxy that is not there.
    """
    home = directory.root / "helm"
    variables = {
        **directory.environment,
        **dict.fromkeys(_PROXIES, _NOWHERE),
        "KUBECONFIG": str(directory.kubeconfig),
        "HELM_CACHE_HOME": str(home / "cache"),
        "HELM_CONFIG_HOME": str(home / "config"),
        "HELM_DATA_HOME": str(home / "data"),
    }
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    script = "\n".join([*lines, "unset NO_PROXY no_proxy", f'exec {shlex.quote(str(plugin.path))} "$@"'])
    return launch(directory.pulumi_home, NAME, version, script)


def _version(program: Path) -> str:
    """What a plugin says its version is; empty where it says none in time."""
    try:
        # It wants the address of an engine, and asks it for nothing before it is configured.
        process = subprocess.Popen(
            [program, "127.0.0.1:9"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except OSError:
        return ""
    with process:
        try:
            assert process.stdout is not None
            if not select.select([process.stdout], [], [], _ANSWER)[0]:
                return ""
            port = process.stdout.readline().strip()
            return _asked(int(port)) if port.isdigit() else ""
        finally:
            process.kill()


def _asked(port: int) -> str:
    """GetPluginInfo of the provider protocol."""
    # Heavy, and only needed where a plugin is on PATH.
    import grpc
    from google.protobuf import empty_pb2
    from pulumi.runtime.proto import provider_pb2_grpc

    with contextlib.suppress(grpc.RpcError), grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        return str(stub.GetPluginInfo(empty_pb2.Empty(), timeout=_ANSWER).version)
    return ""
