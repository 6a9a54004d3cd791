"""The kubernetes plugin reaches nothing but the rehearsal, and finds the lock's charts where it looks first."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from catalog.lock import load_lock
from rehearsal.assets.table import table
from rehearsal.directory import MARK, RehearsalDirectory
from rehearsal.engine import charts, plugins

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[RehearsalDirectory]:
    made = RehearsalDirectory(tmp_path / "it's a rehearsal")
    made.create()
    yield made
    made.remove()


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Says its environment and its arguments."""
    path = tmp_path / "a b" / plugins.KUBERNETES
    path.parent.mkdir()
    path.write_text('#!/bin/sh\nenv; echo "arguments: $*"\n', encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def somebodys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/home/somebody/.kube/config")
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("https_proxy", "http://proxy.example")
    monkeypatch.setenv("HELM_CACHE_HOME", "/home/somebody/.cache/helm")
    monkeypatch.setenv("SSL_CERT_FILE", "ca.crt")


def seen(launcher: Path) -> dict[str, str]:
    said = subprocess.run([launcher, "127.0.0.1:1"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert "arguments: 127.0.0.1:1" in said
    return dict(line.split("=", 1) for line in said if "=" in line)


def test_it_gets_the_rehearsals_kubeconfig_and_no_way_out(directory: RehearsalDirectory, program: Path) -> None:
    launcher = plugins.install_kubernetes(directory, directory.pulumi_home, program, offline=True)
    exact = f"resource-kubernetes-v{version('pulumi-kubernetes')}"
    assert launcher == directory.pulumi_home / "plugins" / exact / plugins.KUBERNETES
    there = seen(launcher)
    assert there["KUBECONFIG"] == str(directory.kubeconfig)
    assert there[MARK] == str(directory.root)
    assert {there[name] for name in PROXIES} == {"http://127.0.0.1:9"}
    assert not {"NO_PROXY", "no_proxy"} & set(there)
    assert Path(there["HELM_CACHE_HOME"]).is_relative_to(directory.root)


def test_where_a_chart_has_to_be_pulled_the_users_proxy_and_the_systems_certificates_hold(
    directory: RehearsalDirectory, program: Path
) -> None:
    there = seen(plugins.install_kubernetes(directory, directory.pulumi_home, program, offline=False))
    assert there["https_proxy"] == "http://proxy.example"
    assert "SSL_CERT_FILE" not in there
    assert there["KUBECONFIG"] == str(directory.kubeconfig)


def lock(monkeypatch: pytest.MonkeyPatch, module: Path, **versions: str) -> None:
    made = {key: SimpleNamespace(chart=f"oci://example.com/charts/{key}", version=at) for key, at in versions.items()}
    monkeypatch.setattr(charts, "load_lock", lambda: SimpleNamespace(charts=made))
    monkeypatch.setattr(charts, "module_dir", lambda _: module)
    modules = dict.fromkeys(("lws", "cert-manager"), SimpleNamespace(version="v0.8.0"))
    monkeypatch.setattr(charts, "table", lambda: SimpleNamespace(modules=modules))


def test_a_chart_lies_where_the_plugin_looks_and_has_the_locked_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "charts/lws").mkdir(parents=True)
    (tmp_path / "charts/lws/Chart.yaml").write_text("name: lws\nversion: 0.1.0\n", encoding="utf-8")
    lock(monkeypatch, tmp_path, lws="v0.8.0")
    for _ in range(2):  # the second time over what is there
        assert charts.lay_out(tmp_path / "work") == []
    # As the plugin finds it from the folder that it runs in.
    monkeypatch.chdir(tmp_path / "work")
    chart = Path(os.path.join("oci://example.com/charts/lws", "Chart.yaml"))
    assert yaml.safe_load(chart.read_text("utf-8")) == {"name": "lws", "version": "v0.8.0"}


def test_a_chart_of_another_version_than_the_module_is_left_to_its_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock(monkeypatch, tmp_path, lws="v0.9.0")
    assert charts.lay_out(tmp_path / "work") == ["chart lws v0.9.0 is pulled: the module here is lws v0.8.0"]
    assert not list(tmp_path.rglob("Chart.yaml"))


def test_of_cert_manager_the_definitions_alone_are_installed_without_their_templates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deploy/crds").mkdir(parents=True)
    (tmp_path / "deploy/crds/a.yaml").write_text("{{- if .x }}\nkind: X\n{{- end }}\n", encoding="utf-8")
    lock(monkeypatch, tmp_path, **{"cert-manager": "v0.8.0"})
    assert charts.lay_out(tmp_path / "work") == []
    [made] = (tmp_path / "work").rglob("templates/a.yaml")
    assert made.read_text("utf-8").splitlines()[1:-1] == ["kind: X"]


def test_every_chart_of_the_lock_is_in_a_module_of_its_version() -> None:
    locked = {key: chart.version for key, chart in load_lock().charts.items()}
    rows = charts.FOLDERS | charts.DEFINITIONS
    assert {key: table().modules[module].version for key, (module, _) in rows.items()} == locked
