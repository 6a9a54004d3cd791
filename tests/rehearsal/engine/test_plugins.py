"""The kubernetes plugin reaches nothing but the rehearsal, and finds the lock's charts where it looks first."""

from __future__ import annotations

import os
import subprocess
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from catalog.lock import load_lock
from rehearsal.assets import AssetError
from rehearsal.assets.table import table
from rehearsal.directory import MARK, RehearsalDirectory
from rehearsal.engine import charts, plugins

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
SOMEBODYS = {
    "KUBECONFIG": "/home/somebody/.kube/config", "NO_PROXY": "*", "https_proxy": "http://proxy.example",
    "HELM_CACHE_HOME": "/home/somebody/.cache/helm", "SSL_CERT_FILE": "/home/somebody/ca.crt",
}  # fmt: skip


def test_it_gets_the_rehearsals_kubeconfig_and_authority_and_no_way_out(tmp_path: Path) -> None:
    directory = RehearsalDirectory(tmp_path / "it's a rehearsal")
    directory.create()
    program = tmp_path / "a b" / plugins.KUBERNETES
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nenv; echo "arguments: $*"\n', encoding="utf-8")
    program.chmod(0o755)
    launcher = plugins.install_kubernetes(directory, program)
    exact = f"resource-kubernetes-v{version('pulumi-kubernetes')}"
    assert launcher == directory.pulumi_home / "plugins" / exact / plugins.KUBERNETES
    command, given = [str(launcher), "127.0.0.1:1"], {**os.environ, **SOMEBODYS}
    said = subprocess.run(command, env=given, capture_output=True, text=True, check=True).stdout.splitlines()
    assert "arguments: 127.0.0.1:1" in said
    there = dict(line.split("=", 1) for line in said if "=" in line)
    assert (there["KUBECONFIG"], there[MARK]) == (str(directory.kubeconfig), str(directory.root))
    # Without it an API server that is reached by its DNS endpoint has a certificate of an unknown authority.
    assert there["SSL_CERT_FILE"] == str(directory.certs / "ca.crt")
    assert {there[name] for name in PROXIES} == {"http://127.0.0.1:9"}
    assert not {"NO_PROXY", "no_proxy"} & set(there)
    assert Path(there["HELM_CACHE_HOME"]).is_relative_to(directory.root)
    directory.remove()


def lock(monkeypatch: pytest.MonkeyPatch, module: Path, **versions: str) -> None:
    made = {key: SimpleNamespace(address=f"oci://example.com/charts/{key}", version=at) for key, at in versions.items()}
    monkeypatch.setattr(charts, "load_lock", lambda: SimpleNamespace(charts=made))
    monkeypatch.setattr(charts, "module_dir", lambda _: module)
    row = SimpleNamespace(version="v0.8.0", folder="here", module="example.com/it")
    monkeypatch.setattr(charts, "table", lambda: SimpleNamespace(modules=dict.fromkeys(("lws", "cert-manager"), row)))


def test_a_chart_lies_where_the_plugin_looks_and_has_the_locked_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "charts/lws").mkdir(parents=True)
    (tmp_path / "charts/lws/Chart.yaml").write_text("name: lws\nversion: 0.1.0\n", encoding="utf-8")
    (tmp_path / "deploy/crds").mkdir(parents=True)
    (tmp_path / "deploy/crds/a.yaml").write_text("{{- if .x }}\nkind: X\n{{- end }}\n", encoding="utf-8")
    lock(monkeypatch, tmp_path, lws="v0.8.0", **{"cert-manager": "v0.8.0"})
    for _ in range(2):  # the second time over what is there
        charts.lay_out(tmp_path / "work")
    # As the plugin finds it from the folder that it runs in.
    monkeypatch.chdir(tmp_path / "work")
    chart = Path(os.path.join("oci://example.com/charts/lws", "Chart.yaml"))
    assert yaml.safe_load(chart.read_text("utf-8")) == {"name": "lws", "version": "v0.8.0"}
    # Of cert-manager the definitions alone, without their templates.
    [made] = (tmp_path / "work").rglob("templates/a.yaml")
    assert made.read_text("utf-8").splitlines()[1:-1] == ["kind: X"]


def test_a_chart_of_another_version_than_the_module_is_an_error_that_says_how_to_update_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock(monkeypatch, tmp_path, lws="v0.9.0")
    with pytest.raises(AssetError, match=r"chart lws v0\.9\.0: a rehearsal has lws v0\.8\.0") as refused:
        charts.lay_out(tmp_path / "work")
    assert "cd rehearsal/assets/here && go get example.com/it@v0.9.0 && go mod tidy" in str(refused.value)


def test_every_chart_of_the_lock_is_in_a_module_of_its_version() -> None:
    locked = {key: f"v{chart.version.removeprefix('v')}" for key, chart in load_lock().charts.items()}
    assert {key: table().modules[module].version for key, (module, _) in charts.FOLDERS.items()} == locked
