"""The real Helm as a program, with its files in the rehearsal's directory."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal.plugins.frame import ProviderError

VARIABLE = "TPU_SERVING_HELM"
_POLL_SECONDS = 0.1
# What Helm gets to undo its work once the user cancels.
_GRACE_SECONDS = 60.0


_TEMPLATE = (
    "{{.Release.Info.Status}}\n{{.Release.Version}}\n{{with .Release.Chart.Metadata}}"
    "{{.Name}}\n{{.Version}}\n{{.AppVersion}}{{end}}\n{{.Release.Manifest}}"
)


@dataclass(frozen=True)
class Found:
    """A release as Helm recorded it; the last three but one are the chart's."""

    status: str
    revision: int
    chart: str
    version: str
    app_version: str
    manifest: str


class HelmError(Exception):
    """Helm failed; the message is its own last words."""


class Helm:
    """Runs Helm against one cluster."""

    def __init__(
        self, home: Path, kubeconfig: str, cancelled: threading.Event, binary: Callable[[], str] | None = None
    ) -> None:
        """`kubeconfig` is a kubeconfig's content; it is written where only the user can read it."""
        self._home, self._cancelled, self._binary = home, cancelled, binary or _binary
        self._kubeconfig = kubeconfig

    def pull(self, arguments: Sequence[str], timeout: float) -> None:
        """A command that talks to a registry, not to the cluster: with the system's certificates.

        Raises:
            HelmError: it failed or took longer than `timeout` seconds.
        """
        environment = self._environment()
        # In a rehearsal this is the control plane's own authority, which no registry has.
        environment.pop("SSL_CERT_FILE", None)
        self._run(arguments, environment, timeout)

    def run(self, arguments: Sequence[str]) -> str:
        """A command on the cluster; its standard output.

        Raises:
            HelmError: it failed.
        """
        with self._private(self._kubeconfig, ".kubeconfig") as path:
            return self._run([*arguments, "--kubeconfig", str(path)], self._environment(), None)

    def release(self, name: str, namespace: str) -> Found | None:
        """What Helm knows of a release; None where there is none.

        Raises:
            ProviderError: Helm failed for another reason.
        """
        try:
            answer = self.run(["get", "all", name, "--namespace", namespace, "--template", _TEMPLATE])
        except HelmError as error:
            if "release: not found" in str(error):
                return None
            raise ProviderError(str(error)) from None
        status, revision, chart, version, app_version, manifest = answer.split("\n", 5)
        return Found(status, int(revision), chart, version, app_version, manifest)

    @contextmanager
    def values(self, values: dict[str, Any]) -> Iterator[Path]:
        """A file of values for one command, gone afterwards: it may hold secrets."""
        with self._private(json.dumps(values), ".json") as path:
            yield path

    @contextmanager
    def _private(self, content: str, suffix: str) -> Iterator[Path]:
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=self._home, suffix=suffix, encoding="utf-8") as file:  # mode 0600
            file.write(content)
            file.flush()
            yield Path(file.name)

    def _environment(self) -> dict[str, str]:
        """The user's own Helm settings (context, namespace, plugins) must not lead anywhere else."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith("HELM_") and name != "KUBECONFIG"
        }
        return {
            **kept,
            "PATH": f"{self._home.parent / 'bin'}{os.pathsep}{kept.get('PATH', os.defpath)}",
            "HELM_CACHE_HOME": str(self._home / "cache"),
            "HELM_CONFIG_HOME": str(self._home / "config"),
            "HELM_DATA_HOME": str(self._home / "data"),
        }

    def _run(self, arguments: Sequence[str], environment: dict[str, str], timeout: float | None) -> str:
        command = [self._binary(), *arguments]
        with (
            tempfile.TemporaryFile("w+", encoding="utf-8") as out,
            tempfile.TemporaryFile("w+", encoding="utf-8") as err,
        ):
            # A session of its own: the user's Ctrl-C reaches it through the engine's cancellation only.
            process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
            )
            late = self._await(process, timeout)
            out.seek(0)
            err.seek(0)
            if late:
                raise HelmError(f"no answer in {timeout:.0f} s")
            if process.returncode != 0:
                raise HelmError(_last_words(err.read()))
            return out.read()

    def _await(self, process: subprocess.Popen[bytes], timeout: float | None) -> bool:
        """Wait for the end; whether it came by the timeout."""
        waited = 0.0
        while True:
            try:
                process.wait(_POLL_SECONDS)
                return False
            except subprocess.TimeoutExpired:
                waited += _POLL_SECONDS
            late = timeout is not None and waited >= timeout
            if late or self._cancelled.is_set():
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(_GRACE_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                return late


def _binary() -> str:
    path = os.environ.get(VARIABLE) or shutil.which("helm")
    if not path:
        raise ProviderError(f"there is no helm on PATH, and {VARIABLE} does not name one")
    return path


def _last_words(text: str) -> str:
    """From the first `Error:` on: what hooks and webhooks said follows it, one line each."""
    lines = [line for line in text.strip().splitlines() if line.strip() and not line.startswith("WARNING:")]
    first = next((i for i, line in enumerate(lines) if line.startswith("Error: ")), len(lines) - 1)
    return "\n".join(line.removeprefix("Error: ") for line in lines[max(first, 0) :]) or "helm failed without a word"
