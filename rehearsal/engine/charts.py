"""The lock's charts as folders, from the Go modules of their projects at the pinned versions.

The kubernetes provider takes a folder named like the chart below the one that it runs in before it asks a registry
(pulumi-kubernetes provider/pkg/provider/helm_release.go of 2026-01-15, locateChart).
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from catalog.lock import load_lock
from rehearsal.assets import AssetError, module_dir
from rehearsal.assets.table import table

# Key of the lock -> module of the assets and the chart's folder in it (kserve v0.20.0, lws v0.8.0).
FOLDERS = {
    "kserve-llmisvc-crd": ("kserve", "charts/kserve-llmisvc-crd"),
    "kserve-llmisvc-resources": ("kserve", "charts/kserve-llmisvc-resources"),
    "kserve-runtime-configs": ("kserve", "charts/kserve-runtime-configs"),
    "lws": ("lws", "charts/lws"),
    # Only its definitions: the controllers run without pods, and nobody would answer its webhook.
    "cert-manager": ("cert-manager", "deploy/crds"),
    "keda": ("keda", "config/crd/bases"),
}


def lay_out(work: Path) -> None:
    """Put every chart of the lock below `work`.

    Raises:
        rehearsal.assets.AssetError: a chart's Go module can't be had, or is of another version than the lock.
    """
    for key, locked in load_lock().charts.items():
        name, inside = FOLDERS[key]
        module, place = table().modules[name], work / locked.address
        if module.version.removeprefix("v") != locked.version.removeprefix("v"):  # KEDA's charts have none
            wanted = f"v{locked.version.removeprefix('v')}"
            update = f"cd rehearsal/assets/{module.folder} && go get {module.module}@{wanted} && go mod tidy"
            why = f"a rehearsal has {name} {module.version}; both versions are updated together"
            raise AssetError(f"chart {key} {locked.version}", why, [update])
        shutil.rmtree(place, ignore_errors=True)
        if key in ("cert-manager", "keda"):
            _compose(name, module_dir(name) / inside, place, locked.version)
        else:
            shutil.copytree(module_dir(name) / inside, place, copy_function=shutil.copyfile)
            # The published chart has the version of the release; in the repository it may be a placeholder (LWS: 0.1.0).
            chart = yaml.safe_load((place / "Chart.yaml").read_text(encoding="utf-8"))
            _write(place, {**chart, "version": locked.version})


def _compose(name: str, definitions: Path, place: Path, version: str) -> None:
    """A chart of definitions alone. The files are templates of another chart: what of them is template goes."""
    (place / "templates").mkdir(parents=True)
    _write(place, {"apiVersion": "v2", "name": name, "version": version, "appVersion": version})
    for path in sorted(definitions.glob("*.yaml")):
        kept = "\n".join(line for line in path.read_text(encoding="utf-8").splitlines() if "{{" not in line)
        if kept.strip():
            guarded = f'{{{{- if dig "crds" "enabled" true .Values.AsMap }}}}\n{kept}\n{{{{- end }}}}\n'
            (place / "templates" / path.name).write_text(guarded, encoding="utf-8")


def _write(place: Path, chart: dict[str, Any]) -> None:
    # JSON is YAML.
    (place / "Chart.yaml").write_text(json.dumps(chart, indent=1), encoding="utf-8")
