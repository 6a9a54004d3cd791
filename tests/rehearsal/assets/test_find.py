"""Where assets are looked for, in which order, and what is passed over."""

from __future__ import annotations

import importlib
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rehearsal.assets import AssetError, Found, find
from rehearsal.assets.find import entry
from rehearsal.assets.table import table

Program = Callable[..., Path]


def put_into_cache(name: str) -> Path:
    with entry(name).making("built") as folder:
        (folder / name).write_text("#!/bin/sh\n", encoding="utf-8")
    return entry(name).path


def test_the_order_is_variable_cache_path(home: Path, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    own = program("own/my-etcd", "etcd Version: 3.5.0")
    on_path = program("bin/etcd", "etcd Version: 3.6.2")
    monkeypatch.setenv("TPU_SERVING_ASSET_ETCD", str(own))
    monkeypatch.setenv("PATH", f"{on_path.parent}{os.pathsep}{os.defpath}")
    cached = put_into_cache("etcd")
    assert find(["etcd"])["etcd"] == Found("etcd", own, "TPU_SERVING_ASSET_ETCD", "v3.5.0")
    monkeypatch.delenv("TPU_SERVING_ASSET_ETCD")
    assert find(["etcd"])["etcd"] == Found("etcd", cached, "built", table().binaries["etcd"].version)
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "other"))
    assert find(["etcd"])["etcd"] == Found("etcd", on_path, "PATH", "v3.6.2")
    monkeypatch.setenv("TPU_SERVING_ASSETS", "cache")
    assert find(["etcd"]) == {}


@pytest.mark.parametrize(
    ("name", "says", "taken"),
    [
        ("etcd", "etcd Version: 3.5.13\nGo Version: go1.22.1", True),
        ("etcd", "etcd Version: 3.5.12", False),
        ("kube-apiserver", "Kubernetes v1.35.9", False),
        ("kube-scheduler", "Kubernetes v1.37.0", False),
        ("pulumi", "v3.300.1-dev.0", True),
        ("pulumi", "v3.258.9", False),
        ("envoy", "envoy  version: 9e5580933739775e8bce696a57a2e1bc99368f23/1.40.0/Clean/RELEASE/BoringSSL", True),
        ("envoy", "envoy  version: 9e5580933739775e8bce696a57a2e1bc99368f23/1.31.2/Clean/RELEASE/BoringSSL", False),
        ("etcd", "no version here", False),
        ("epp", "v1.5.0", False),
    ],
)
def test_from_path_only_what_will_do_is_taken(
    name: str, says: str, taken: bool, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = program(f"bin/{name}", says).parent
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.defpath}")
    assert bool(find([name])) is taken


def test_a_program_that_fails_or_does_not_answer_is_passed_over(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = program("bin/etcd", "etcd Version: 3.6.5", code=1)
    monkeypatch.setenv("PATH", f"{broken.parent}{os.pathsep}{os.defpath}")
    assert find(["etcd"]) == {}
    broken.write_text("#!/bin/sh\nexec tail -f /dev/null\n", encoding="utf-8")
    # The package has a function of this module's name.
    monkeypatch.setattr(importlib.import_module("rehearsal.assets.find"), "_ANSWER", 0.05)
    assert find(["etcd"]) == {}


def test_a_variable_that_names_no_program_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TPU_SERVING_ASSET_KUBE_APISERVER", str(home / "missing"))
    with pytest.raises(AssetError) as refused:
        find(["kube-apiserver"])
    assert f"TPU_SERVING_ASSET_KUBE_APISERVER={home / 'missing'}" in str(refused.value)
    assert "unset TPU_SERVING_ASSET_KUBE_APISERVER" in str(refused.value)


KUBERNETES = "pulumi-resource-kubernetes"
# A plugin that speaks the protocol and says a version.
SPEAKS = """
import sys
from concurrent.futures import ThreadPoolExecutor
import grpc
from pulumi.runtime.proto import plugin_pb2, provider_pb2_grpc
class Plugin(provider_pb2_grpc.ResourceProviderServicer):
    def GetPluginInfo(self, request, context):
        return plugin_pb2.PluginInfo(version=sys.argv[1])
server = grpc.server(ThreadPoolExecutor())
provider_pb2_grpc.add_ResourceProviderServicer_to_server(Plugin(), server)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)
server.wait_for_termination()
"""


def plugin(folder: Path, script: str = "") -> Path:
    folder.mkdir(parents=True)
    path = folder / KUBERNETES
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_of_the_users_own_pulumi_only_a_whole_plugin_of_exactly_the_locked_version_is_taken(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.defpath)
    locked = table().binaries[KUBERNETES].version
    for other in ("v4.0.0", f"{locked}0"):
        plugin(home / "pulumi/plugins" / f"resource-kubernetes-{other}")
    assert find([KUBERNETES]) == {}
    path = plugin(home / "pulumi/plugins" / f"resource-kubernetes-{locked}")
    assert find([KUBERNETES]) == {KUBERNETES: Found(KUBERNETES, path, "PULUMI_HOME", locked)}
    path.parent.with_name(f"{path.parent.name}.partial").touch()
    assert find([KUBERNETES]) == {}


def test_a_plugin_on_path_is_asked_for_its_version(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = table().binaries[KUBERNETES].version
    speaks = shlex.join([sys.executable, "-c", SPEAKS])
    path = plugin(home / "bin", f"exec {speaks} {locked[1:]}")
    monkeypatch.setenv("PATH", f"{home / 'bin'}{os.pathsep}{os.defpath}")
    assert find([KUBERNETES]) == {KUBERNETES: Found(KUBERNETES, path, "PATH", locked)}
    for script in (f"exec {speaks} 4.33.0", "exit 1", "echo no port", "echo 1; sleep 0"):
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        assert find([KUBERNETES]) == {}
