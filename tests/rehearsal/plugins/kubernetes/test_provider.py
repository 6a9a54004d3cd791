"""The provider's own configuration: kubeconfigs, identity of the cluster, options."""

from __future__ import annotations

import json
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from rehearsal.plugins.frame import UNKNOWN, ProviderError
from rehearsal.plugins.kubernetes import kubeconfig
from rehearsal.plugins.kubernetes.charts import Charts, Module, Reference, compose_definitions
from rehearsal.plugins.kubernetes.helm import Helm, HelmError
from rehearsal.plugins.kubernetes.kubeconfig import Credentials
from rehearsal.plugins.kubernetes.provider import KubernetesProvider
from rehearsal.plugins.kubernetes.release import resource_names

Json = dict[str, Any]


def config(server: str = "https://a", user: Json | None = None) -> Json:
    return {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "n"}}],
        "clusters": [
            {"name": "k", "cluster": {"server": server}},
            {"name": "other", "cluster": {"server": "https://o"}},
        ],
        "users": [{"name": "u", "user": user or {"token": "t"}}],
    }


def test_a_kubeconfig_is_content_or_a_path(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config()), encoding="utf-8")
    for text in (str(path), path.read_text(encoding="utf-8"), json.dumps(config())):
        context = kubeconfig.active(kubeconfig.parse(text))
        assert context is not None
        assert (context.cluster["server"], context.user["token"], context.namespace) == ("https://a", "t", "n")
    overridden = kubeconfig.active(config(), cluster="other")
    assert overridden is not None
    assert overridden.cluster["server"] == "https://o"
    assert kubeconfig.active(config(), context="none") is None
    with pytest.raises(ProviderError, match="neither a file that exists nor a kubeconfig"):
        kubeconfig.parse("/no/such/file")


def test_an_exec_plugin_gives_the_token_and_is_asked_again_when_refused(tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"
    plugin.write_text(
        '#!/bin/sh\necho x >> "$1"\n'
        'echo "{\\"kind\\": \\"ExecCredential\\", \\"status\\": {\\"token\\": \\"t-$KIND\\"}}"\n',
        encoding="utf-8",
    )
    plugin.chmod(0o755)
    calls = tmp_path / "calls"
    user = {"exec": {"command": str(plugin), "args": [str(calls)], "env": [{"name": "KIND", "value": "v"}]}}
    context = kubeconfig.active(config(user=user))
    assert context is not None
    credentials = Credentials(context)
    assert credentials.header() == credentials.header() == {"Authorization": "Bearer t-v"}
    assert calls.read_text(encoding="utf-8") == "x\n"
    assert credentials.renew()
    credentials.header()
    assert calls.read_text(encoding="utf-8") == "x\nx\n"


@pytest.mark.parametrize(
    ("script", "message"),
    [("exit 3", "failed with exit code 3"), ("echo nothing", "printed no ExecCredential")],
)
def test_an_exec_plugin_that_fails_is_named(tmp_path: Path, script: str, message: str) -> None:
    plugin = tmp_path / "plugin"
    plugin.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    plugin.chmod(0o755)
    context = kubeconfig.active(config(user={"exec": {"command": str(plugin)}}))
    assert context is not None
    with pytest.raises(ProviderError, match=message):
        Credentials(context).header()


def replaced(old: Json, new: Json) -> list[str]:
    changes = KubernetesProvider().diff_config(old, new).detailed
    return sorted(key for key, change in changes.items() if change.endswith("replace"))


def test_the_identifier_alone_says_whether_the_cluster_is_another() -> None:
    a, b = json.dumps(config()), json.dumps(config("https://b"))
    known = {"clusterIdentifier": "p/l/n"}
    assert replaced({"kubeconfig": a, **known}, {"kubeconfig": UNKNOWN, **known}) == []
    assert replaced({"kubeconfig": a, **known}, {"kubeconfig": b, **known}) == []
    assert replaced({"kubeconfig": a, **known}, {"kubeconfig": a, "clusterIdentifier": "q"}) == ["clusterIdentifier"]
    assert replaced({"kubeconfig": a}, {"kubeconfig": UNKNOWN}) == ["kubeconfig"]
    assert replaced({"kubeconfig": a}, {"kubeconfig": b}) == ["kubeconfig"]
    renewed = json.dumps(config(user={"token": "other"}))
    assert replaced({"kubeconfig": a}, {"kubeconfig": renewed}) == []
    assert KubernetesProvider().diff_config({"kubeconfig": a}, {"kubeconfig": renewed}).detailed == {
        "kubeconfig": "update"
    }


def test_what_is_not_played_is_refused() -> None:
    provider = KubernetesProvider()
    _, failures = provider.check_config({}, {"renderYamlToDirectory": "x", "enableServerSideApply": "false"})
    assert [f.property for f in failures] == ["renderYamlToDirectory", "enableServerSideApply"]
    with pytest.raises(ProviderError, match="invalid configuration"):
        provider.configure({"kubeconfig": "{}"})


def test_a_chart_without_registry_comes_from_its_module(tmp_path: Path) -> None:
    module = tmp_path / "module"
    (module / "charts/lws").mkdir(parents=True)
    (module / "charts/lws/Chart.yaml").write_text("name: lws\nversion: 0.1.0\n", encoding="utf-8")
    (module / "charts/lws/Chart.yaml").chmod(0o444)  # as the Go module cache has it
    said: list[str] = []
    charts = Charts(tmp_path / "kept", OfflineHelm(), lambda _: Module(module, "v0.8.0"))
    reference = Reference("oci://registry.k8s.io/lws/charts/lws", "v0.8.0")
    folder = charts.folder(reference, said.append)
    assert yaml.safe_load((folder / "Chart.yaml").read_text(encoding="utf-8"))["version"] == "v0.8.0"
    assert charts.folder(reference, said.append) == folder
    assert said == [
        f"chart {reference.chart} v0.8.0 is taken from the Go module lws v0.8.0: its registry can't be reached (offline)"
    ]
    with pytest.raises(ProviderError, match="ask for that version, or see that the registry can be reached"):
        charts.folder(Reference(reference.chart, "v0.9.0"), said.append)
    with pytest.raises(ProviderError, match="no module here has it: offline"):
        charts.folder(Reference("oci://example.com/none", "1.0.0"), said.append)


def test_a_chart_that_a_stand_in_plays_is_never_pulled(tmp_path: Path) -> None:
    (tmp_path / "module/deploy/crds").mkdir(parents=True)
    (tmp_path / "module/deploy/crds/a.yaml").write_text("kind: CustomResourceDefinition\n", encoding="utf-8")
    helm = OfflineHelm()
    charts = Charts(tmp_path / "kept", helm, lambda _: Module(tmp_path / "module", "v1.18.0"))
    said: list[str] = []
    folder = charts.folder(Reference("oci://quay.io/jetstack/charts/cert-manager", "v1.21.1"), said.append)
    assert [path.name for path in (folder / "templates").iterdir()] == ["a.yaml"]
    assert helm.asked == said == []


class OfflineHelm(Helm):
    """Helm where no registry answers."""

    def __init__(self) -> None:
        super().__init__(Path("unused"), "", threading.Event())
        self.asked: list[Any] = []

    def pull(self, arguments: Any, timeout: float) -> None:
        self.asked.append(arguments)
        raise HelmError("offline")


def test_definitions_become_a_chart_without_their_templates(tmp_path: Path) -> None:
    (tmp_path / "crds").mkdir()
    text = "{{- if .Values.x }}\nkind: CustomResourceDefinition\nmetadata:\n  labels: {{ .x }}\n  name: a\n{{- end }}\n"
    (tmp_path / "crds/a.yaml").write_text(text, encoding="utf-8")
    compose_definitions(tmp_path / "crds", tmp_path / "cert-manager", "v1.2.3")
    made = (tmp_path / "cert-manager/templates/a.yaml").read_text(encoding="utf-8").splitlines()
    assert made[1:-1] == ["kind: CustomResourceDefinition", "metadata:", "  name: a"]
    assert json.loads((tmp_path / "cert-manager/Chart.yaml").read_text(encoding="utf-8"))["version"] == "v1.2.3"


def test_values_lie_on_the_disk_for_one_command_only(tmp_path: Path) -> None:
    helm = Helm(tmp_path, "", threading.Event())
    with helm.values({"token": "hush"}) as path:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert json.loads(path.read_text(encoding="utf-8")) == {"token": "hush"}
    assert not path.exists()


def test_names_of_a_manifest() -> None:
    manifest = """---
# Source: a
apiVersion: v1
kind: Secret
metadata:
  name: b
  namespace: n
data:
  kind: |
    kind: no
---
# nothing
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: a}
---
{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}
"""
    assert resource_names(manifest) == {"Deployment.apps/apps/v1": ["a"], "Secret/v1": ["a", "n/b"]}


def test_no_cluster_but_the_rehearsals_own_is_touched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    elsewhere = tmp_path / "config"
    elsewhere.write_text(yaml.safe_dump(config("https://127.0.0.1:6443")), encoding="utf-8")
    monkeypatch.setenv("KUBECONFIG", str(elsewhere))
    provider = KubernetesProvider()
    with pytest.raises(ProviderError, match="nothing is taken from KUBECONFIG"):
        provider.configure({})
    for server in ("https://34.1.2.3", "https://gke-abc.europe-west4.gke.goog", "https://10.0.0.1:443"):
        with pytest.raises(ProviderError, match="is not on this machine"):
            provider.configure({"kubeconfig": json.dumps(config(server))})
    provider.configure({"kubeconfig": json.dumps(config("https://127.0.0.1:6443"))})
