"""Where assets are looked for, in which order, and what is passed over."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from rehearsal.assets import AssetError, find
from rehearsal.assets.cache import making, root
from rehearsal.assets.find import entry, fits
from rehearsal.assets.table import binary

Program = Callable[..., Path]


def put_into_cache(name: str) -> Path:
    with making(name) as folder:
        (folder / name).write_text("#!/bin/sh\n", encoding="utf-8")
        entry(name).publish(folder, "built", 1.0)
    return entry(name).path


def test_the_order_is_variable_folder_cache_path(home: Path, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    own = program("own/my-etcd", "etcd Version: 3.5.0")
    folder = program("kubebuilder/etcd", "etcd Version: 3.6.1")
    on_path = program("bin/etcd", "etcd Version: 3.6.2")
    monkeypatch.setenv("TPU_SERVING_ASSET_ETCD", str(own))
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(folder.parent))
    monkeypatch.setenv("PATH", f"{on_path.parent}{os.pathsep}{os.environ['PATH']}")
    cached = put_into_cache("etcd")

    seen = []
    for variable in ("TPU_SERVING_ASSET_ETCD", "KUBEBUILDER_ASSETS", "XDG_CACHE_HOME", "PATH"):
        seen.append(find(["etcd"])["etcd"])
        monkeypatch.setenv(variable, "") if variable != "XDG_CACHE_HOME" else monkeypatch.setenv(
            variable, str(home / "x")
        )

    assert [(asset.path, asset.how, asset.version) for asset in seen] == [
        (own, "TPU_SERVING_ASSET_ETCD", "v3.5.0"),
        (folder, "KUBEBUILDER_ASSETS", "v3.6.1"),
        (cached, "built", binary("etcd").version),
        (on_path, "PATH", "v3.6.2"),
    ]
    assert find(["etcd"]) == {}


@pytest.mark.parametrize(
    ("name", "says", "taken"),
    [
        ("etcd", "etcd Version: 3.5.13\nGo Version: go1.22.1", True),
        ("etcd", "etcd Version: 3.5.12", False),
        ("etcd", "etcd Version: 3.4.23", False),
        ("kube-apiserver", "Kubernetes v1.36.0", True),
        ("kube-apiserver", "Kubernetes v1.35.9", False),
        ("kube-scheduler", "Kubernetes v1.37.0", False),
        ("kube-controller-manager", "Kubernetes v1.36.9", True),
        ("kubectl", "Client Version: v1.35.1\nKustomize Version: v5.6.0", True),
        ("kubectl", "Client Version: v1.34.1", False),
        ("pulumi", "v3.259.0", True),
        ("pulumi", "v3.300.1-dev.0", True),
        ("pulumi", "v3.258.9", False),
        ("helm", "v3.14.2+gc309b6f", True),
        ("helm", "v4.0.0+g99cd196", False),
        ("envoy", "envoy  version: 9e5580933739775e8bce696a57a2e1bc99368f23/1.40.0/Clean/RELEASE/BoringSSL", True),
        ("envoy", "envoy  version: 9e5580933739775e8bce696a57a2e1bc99368f23/1.31.2/Clean/RELEASE/BoringSSL", False),
        ("helm", "no version here", False),
        ("lws", "v0.8.0", False),
        ("epp", "v1.5.0", False),
    ],
)
def test_from_path_only_what_will_do_is_taken(
    name: str, says: str, taken: bool, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = program(f"bin/{name}", says).parent
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.defpath}")
    assert bool(find([name])) is taken
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(folder))
    monkeypatch.setenv("PATH", os.defpath)
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
    assert "unset TPU_SERVING_ASSET_KUBE_APISERVER" in refused.value.commands


def test_looking_makes_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.defpath)
    assert find(["epp", "lws"]) == {}
    assert not root().exists()


@pytest.mark.parametrize(
    ("version", "wanted", "answer"),
    [
        ("v3.10.0", ">=3.9", True),
        ("1.26", ">=1.26.0", True),
        ("v3.9.0", ">=3.10", False),
        ("v4.0.0", ">=3.8,<4", False),
        ("v3.99.9", ">=3.8,<4", True),
    ],
)
def test_versions_are_compared_as_numbers(version: str, wanted: str, answer: bool) -> None:
    assert fits(version, wanted) is answer
