"""The real kubernetes plugin is taken in exactly the locked version, and reaches nothing but the rehearsal."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest

from rehearsal.directory import MARK, RehearsalDirectory
from rehearsal.engine import plugins
from rehearsal.plugins.kubernetes.charts import Module
from rehearsal.plugins.real import RealPlugin, find_real, install_real
from settings.document import ROOT

VERSION = "4.34.2"
NAME = "pulumi-resource-kubernetes"
# A plugin that speaks the protocol and says a version.
SPEAKS = """
import sys, threading
from rehearsal.plugins.frame import start
from rehearsal.plugins.kubernetes.provider import KubernetesProvider
provider = KubernetesProvider()
provider.version = sys.argv[1]
print(start(provider)[1], flush=True)
threading.Event().wait()
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's Pulumi without plugins, and nothing on PATH."""
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "pulumi"))
    monkeypatch.setenv("PATH", os.defpath)
    return tmp_path / "pulumi"


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[RehearsalDirectory]:
    made = RehearsalDirectory(tmp_path / "it's a rehearsal")
    made.create()
    yield made
    made.remove()


def program(path: Path, script: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def cached(home: Path, version: str, script: str = "") -> Path:
    return program(home / "plugins" / f"resource-kubernetes-v{version}" / NAME, script)


def on_path(folder: Path, version: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    arguments = shlex.join([sys.executable, "-c", SPEAKS, version])
    path = program(folder / NAME, f"export PYTHONPATH={shlex.quote(str(ROOT))}\nexec {arguments}")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.defpath}")
    return path


def test_the_users_plugin_cache_comes_first_and_only_the_exact_version_will_do(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_real(VERSION) is None
    for other in ("4.34.1", "4.34.20", "4.35.0"):
        cached(home, other)
    assert find_real(VERSION) is None
    path = on_path(tmp_path / "bin", VERSION, monkeypatch)
    assert find_real(VERSION) == RealPlugin(path, "PATH")
    in_cache = cached(home, VERSION)
    assert find_real(VERSION) == RealPlugin(in_cache, "PULUMI_HOME")
    monkeypatch.delenv("PULUMI_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    home.rename(tmp_path / ".pulumi")
    assert find_real(VERSION) == RealPlugin(tmp_path / ".pulumi" / in_cache.relative_to(home), "PULUMI_HOME")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.chmod(0o644),
        lambda path: path.unlink(),
        lambda path: path.parent.with_name(f"{path.parent.name}.partial").touch(),
    ],
    ids=["not executable", "gone", "half unpacked"],
)
def test_a_plugin_that_is_not_whole_is_passed_over(home: Path, spoil: Callable[[Path], object]) -> None:
    path = cached(home, VERSION)
    assert find_real(VERSION)
    spoil(path)
    assert find_real(VERSION) is None


def test_on_path_another_version_or_something_else_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path(tmp_path / "bin", "4.33.0", monkeypatch)
    assert find_real(VERSION) is None
    for script in ("exit 1", "echo no port", "exec /bin/sh -c 'echo 9'", "echo 1; sleep 0"):
        program(tmp_path / "bin" / NAME, script)
        assert find_real(VERSION) is None


def test_it_gets_the_rehearsals_kubeconfig_and_no_way_out(
    directory: RehearsalDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/home/somebody/.kube/config")
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("https_proxy", "http://proxy.example")
    monkeypatch.setenv("HELM_CACHE_HOME", "/home/somebody/.cache/helm")
    real = program(tmp_path / "a b" / NAME, 'env; echo "arguments: $*"')
    launcher = install_real(RealPlugin(real, "PATH"), VERSION, directory)
    assert launcher == directory.pulumi_home / "plugins" / f"resource-kubernetes-v{VERSION}" / NAME
    said = subprocess.run([launcher, "127.0.0.1:1"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert "arguments: 127.0.0.1:1" in said
    seen = dict(line.split("=", 1) for line in said if "=" in line)
    assert seen["KUBECONFIG"] == str(directory.kubeconfig)
    assert seen[MARK] == str(directory.root)
    assert {seen[name] for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")} == {"http://127.0.0.1:9"}
    assert not {"NO_PROXY", "no_proxy"} & set(seen)
    assert Path(seen["HELM_CACHE_HOME"]).is_relative_to(directory.root)


def launched(directory: RehearsalDirectory, name: str) -> str:
    (launcher,) = directory.pulumi_home.glob(f"plugins/resource-{name}-v*/pulumi-resource-{name}")
    return launcher.read_text(encoding="utf-8")


def test_without_one_the_stand_in_plays_it_for_the_whole_life_of_the_stack(
    directory: RehearsalDirectory, home: Path
) -> None:
    assert plugins.install_plugins(directory, Path("helm")) == []
    assert "rehearsal.plugins.kubernetes" in launched(directory, "kubernetes")
    cached(home, version(plugins.KUBERNETES))
    plugins.install_plugins(directory, Path("helm"))
    assert "rehearsal.plugins.kubernetes" in launched(directory, "kubernetes")


def test_the_real_one_is_used_with_the_charts_laid_out_and_never_for_gcp(
    directory: RehearsalDirectory, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = version(plugins.KUBERNETES)
    real = cached(home, locked)
    program(home / "plugins" / f"resource-gcp-v{version(plugins.GCP)}" / "pulumi-resource-gcp")
    chart = SimpleNamespace(chart="oci://registry.k8s.io/lws/charts/lws", version="v0.8.0")
    monkeypatch.setattr(plugins, "load_lock", lambda: SimpleNamespace(charts={"lws": chart}))
    (tmp_path / "module/charts/lws").mkdir(parents=True)
    (tmp_path / "module/charts/lws/Chart.yaml").write_text("name: lws\nversion: 0.1.0\n", encoding="utf-8")
    monkeypatch.setattr(plugins, "module_of_assets", lambda _: Module(tmp_path / "module", "v0.8.0"))
    helm = program(tmp_path / "helm", "echo 'Error: no such host' >&2; exit 1")
    (note,) = plugins.install_plugins(directory, helm)
    assert "no such host" in note
    assert str(real) in launched(directory, "kubernetes")
    assert "rehearsal.plugins.gcp" in launched(directory, "gcp")
    # As the plugin finds it from the folder that it runs in.
    monkeypatch.chdir(directory.pulumi_work)
    assert '"v0.8.0"' in Path(os.path.join("oci://registry.k8s.io/lws/charts/lws", "Chart.yaml")).read_text("utf-8")
    assert plugins.install_plugins(directory, helm) == []
    real.unlink()
    with pytest.raises(plugins.PluginError, match="is gone, the plugin that this rehearsal began with"):
        plugins.install_plugins(directory, helm)
