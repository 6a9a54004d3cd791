"""Charts as folders: pulled from where the program says or, where that can't be reached, from the project's Go module.

What was chosen is kept in the rehearsal's directory, so that one chart does not change its source between two runs.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from rehearsal.plugins.frame import ProviderError
from rehearsal.plugins.kubernetes.helm import Helm, HelmError

# Seconds for a pull: a registry that does not answer must not hold up a rehearsal.
PULL_TIMEOUT = 20


@dataclass(frozen=True)
class Reference:
    """A chart as a program names it: reference, version (empty for the newest), repository options."""

    chart: str
    version: str
    repository: str = ""

    @property
    def key(self) -> str:
        return re.sub(r"[^A-Za-z0-9._-]+", "_", f"{self.repository}_{self.chart}_{self.version}").strip("_")


@dataclass(frozen=True)
class Module:
    """A Go module on this machine: its folder and version."""

    folder: Path
    version: str


class Charts:
    """The charts of one rehearsal. `say` is told once where a chart came from if not from its registry."""

    def __init__(self, home: Path, helm: Helm, module: Callable[[str], Module]) -> None:
        self._home, self._helm, self._module = home, helm, module
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    def folder(self, reference: Reference, say: Callable[[str], None]) -> Path:
        """The unpacked chart.

        Raises:
            ProviderError: it can't be had.
        """
        local = Path(reference.chart)
        if local.exists():
            return local
        with self._lock:
            lock = self._locks.setdefault(reference.key, threading.Lock())
        with lock:
            kept = self._home / reference.key
            if not kept.exists():
                self._fetch(reference, kept, say)
            return next(path for path in kept.iterdir() if path.is_dir())

    def _fetch(self, reference: Reference, kept: Path, say: Callable[[str], None]) -> None:
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._home, prefix=".new-") as temporary:
            new = Path(temporary) / "chart"
            new.mkdir()
            row = next((r for r in _table() if r["chart"] == reference.chart), None)
            if row and "definitions" in row:
                # Its webhook would have nobody behind it who answers.
                self._compose(reference, row, new, "its controllers are played by a stand-in")
            else:
                try:
                    self._pull(reference, new)
                except HelmError as error:
                    say(self._compose(reference, row, new, str(error)))
            os.replace(new, kept)

    def _pull(self, reference: Reference, target: Path) -> None:
        arguments = ["pull", reference.chart, "--untar", "--untardir", str(target)]
        if reference.version:
            arguments += ["--version", reference.version]
        if reference.repository:
            arguments += ["--repo", reference.repository]
        self._helm.pull(arguments, PULL_TIMEOUT)

    def _compose(self, reference: Reference, row: dict[str, Any] | None, target: Path, why: str) -> str:
        """The chart from its project's module; returns what to tell the user."""
        if row is None:
            raise ProviderError(
                f"chart {reference.chart} {reference.version} can't be pulled, and no module here has it: {why}"
            )
        module = self._module(row["module"])
        if reference.version and module.version != reference.version and not row.get("anyVersion"):
            raise ProviderError(
                f"chart {reference.chart} {reference.version} can't be pulled ({why}), and the module on this machine is "
                f"{row['module']} {module.version}: ask for that version, or see that the registry can be reached"
            )
        folder = target / reference.chart.rpartition("/")[2]
        if "definitions" in row:
            compose_definitions(module.folder / row["definitions"], folder, reference.version or module.version)
        else:
            shutil.copytree(module.folder / row["folder"], folder, copy_function=shutil.copyfile)
            _set_version(folder, reference.version or module.version)
        return (
            f"chart {reference.chart} {reference.version} is taken from the Go module {row['module']} {module.version}: "
            f"its registry can't be reached ({why})"
        )


def compose_definitions(definitions: Path, target: Path, version: str) -> None:
    """A chart of CRDs alone. The files are templates of another chart: what of them is template goes."""
    templates = target / "templates"
    templates.mkdir(parents=True)
    _write_chart(target, {"apiVersion": "v2", "name": target.name, "version": version, "appVersion": version})
    for path in sorted(definitions.glob("*.yaml")):
        lines = path.read_text(encoding="utf-8").splitlines()
        kept = "\n".join(line for line in lines if "{{" not in line)
        if kept.strip():
            guarded = f'{{{{- if dig "crds" "enabled" true .Values.AsMap }}}}\n{kept}\n{{{{- end }}}}\n'
            (templates / path.name).write_text(guarded, encoding="utf-8")


def _set_version(folder: Path, version: str) -> None:
    """The published chart has the version of the release; in the repository it may be a placeholder (LWS: 0.1.0)."""
    chart = yaml.safe_load((folder / "Chart.yaml").read_text(encoding="utf-8"))
    _write_chart(folder, {**chart, "version": version})


def _write_chart(folder: Path, chart: dict[str, Any]) -> None:
    # JSON is YAML.
    (folder / "Chart.yaml").write_text(json.dumps(chart, indent=1), encoding="utf-8")


def module_of_assets(name: str) -> Module:
    """A module of `rehearsal.assets`."""
    from rehearsal.assets import module_dir
    from rehearsal.assets.table import table

    return Module(module_dir(name), table().modules[name].version)


@cache
def _table() -> list[dict[str, Any]]:
    data = yaml.safe_load((Path(__file__).parent / "charts.yaml").read_text(encoding="utf-8"))
    return list(data["charts"])
