"""The provider plugins of a rehearsal: gcp is the stand-in, kubernetes the real one where this machine has it."""

from __future__ import annotations

import os
import shutil
import threading
from importlib.metadata import version
from pathlib import Path

from catalog.lock import load_lock
from rehearsal.directory import RehearsalDirectory
from rehearsal.plugins.frame import ProviderError
from rehearsal.plugins.install import install
from rehearsal.plugins.kubernetes.charts import Charts, Reference, module_of_assets
from rehearsal.plugins.kubernetes.helm import Helm
from rehearsal.plugins.real import RealPlugin, find_real, install_real

# The SDKs, whose versions are the plugins' too.
KUBERNETES, GCP = "pulumi-kubernetes", "pulumi-gcp"


class PluginError(Exception):
    """A plugin can't be put where the engine looks for it; the message says why and what to do."""


def install_plugins(directory: RehearsalDirectory, helm: Path) -> list[str]:
    """Put both where the engine looks for them; what is worth knowing, in words.

    What a stack began with it keeps: the two kubernetes plugins write different states.

    Raises:
        PluginError: the plugin that it began with is gone, or a chart can't be had.
    """
    install(directory.pulumi_home, "gcp", version(GCP), directory.root)
    locked = version(KUBERNETES)
    with directory.change_record() as record:
        if record.real_kubernetes_plugin is None:
            found = find_real(locked)
            record.real_kubernetes_plugin = (found.how, str(found.path)) if found else ()
    if not record.real_kubernetes_plugin:
        install(directory.pulumi_home, "kubernetes", locked, directory.root)
        return []
    how, path = record.real_kubernetes_plugin
    if not os.access(path, os.X_OK):
        raise PluginError(
            f"{path} is gone, the plugin that this rehearsal began with. End it with `down` and start anew."
        )
    install_real(RealPlugin(Path(path), how), locked, directory)
    return _lay_out_charts(directory, helm)


def _lay_out_charts(directory: RehearsalDirectory, helm: Path) -> list[str]:
    """Give the real plugin the charts that the stand-in uses: it takes a folder named like the chart below the one that
    it runs in before it asks a registry (pulumi-kubernetes provider/pkg/provider/helm_release.go, locateChart)."""
    home, said = directory.root / "helm", list[str]()
    charts = Charts(home / "charts", Helm(home, "{}", threading.Event(), lambda: str(helm)), module_of_assets)
    for chart in load_lock().charts.values():
        place = directory.pulumi_work / chart.chart
        if not place.exists():
            try:
                folder = charts.folder(Reference(chart.chart, chart.version), said.append)
            except ProviderError as error:
                raise PluginError(str(error)) from None
            shutil.copytree(folder, place)
    return said
