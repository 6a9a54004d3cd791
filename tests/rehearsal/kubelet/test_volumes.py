"""Volumes are files that change all at once; what holds a secret is readable by its user only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from rehearsal.kubelet import atomic_folder
from rehearsal.kubelet.atomic_folder import File
from rehearsal.kubelet.mounts import Mounts
from rehearsal.kubelet.objects import MissingReferenceError
from rehearsal.kubelet.volumes import TokenNeed, Volumes
from tests.rehearsal.kubelet.fakes import Given, around, pod


def _volumes(folder: Path, **sources: dict[str, Any]) -> Volumes:
    return Volumes(pod(volumes=[{"name": name, **source} for name, source in sources.items()]), folder)


def test_a_change_moves_one_link(tmp_path: Path) -> None:
    atomic_folder.write(tmp_path, {"a": File(b"1"), "b": File(b"1")})
    first = os.readlink(tmp_path / "..data")
    atomic_folder.write(tmp_path, {"a": File(b"2"), "sub/c": File(b"2")})
    assert os.readlink(tmp_path / "a") == "..data/a"
    assert os.readlink(tmp_path / "..data") != first
    assert (tmp_path / "a").read_text() == (tmp_path / "sub" / "c").read_text() == "2"
    assert not (tmp_path / "b").is_symlink()
    assert not (tmp_path / first).exists()


def test_the_same_content_writes_nothing(tmp_path: Path) -> None:
    files = {"a": File(b"1")}
    assert atomic_folder.write(tmp_path, files)
    assert not atomic_folder.write(tmp_path, files)


def test_secrets_are_private_and_config_maps_keep_their_mode(tmp_path: Path) -> None:
    given = Given(config_maps={"c": {"run.sh": "x"}}, secrets={"s": {"key": "hidden"}})
    volumes = _volumes(
        tmp_path, conf={"configMap": {"name": "c", "defaultMode": 0o755}}, hidden={"secret": {"secretName": "s"}}
    )
    volumes.write(around(objects=given), {})
    assert (tmp_path / "conf" / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "hidden" / "key").stat().st_mode & 0o777 == 0o600


def test_the_account_volume_has_token_authority_and_namespace(tmp_path: Path) -> None:
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    volumes = _volumes(tmp_path, account={"projected": {"sources": sources, "defaultMode": 420}})
    need = TokenNeed(None, 3607)
    assert volumes.token_needs() == {need}
    given = Given(config_maps={"kube-root-ca.crt": {"ca.crt": "PEM"}})
    with pytest.raises(MissingReferenceError, match="token is not there yet"):
        volumes.write(around(objects=given), {})
    volumes.write(around(objects=given), {need: "secret-token"})
    folder = tmp_path / "account"
    assert {p.name: p.read_text() for p in folder.iterdir() if not p.name.startswith("..")} == {
        "token": "secret-token",
        "ca.crt": "PEM",
        "namespace": "models",
    }
    assert (folder / "token").stat().st_mode & 0o777 == 0o600


def test_a_missing_secret_stops_the_pod_and_an_optional_one_does_not(tmp_path: Path) -> None:
    with pytest.raises(MissingReferenceError, match=r'MountVolume.SetUp failed for volume "v" : secret "s" not found'):
        _volumes(tmp_path, v={"secret": {"secretName": "s"}}).write(around(), {})
    _volumes(tmp_path, v={"secret": {"secretName": "s", "optional": True}}).write(around(), {})
    assert [p.name for p in (tmp_path / "v").iterdir() if not p.name.startswith("..")] == []


def test_items_choose_keys_and_a_missing_one_is_an_error(tmp_path: Path) -> None:
    given = Given(config_maps={"c": {"a": "1", "b": "2"}})
    chosen = {"name": "c", "items": [{"key": "b", "path": "x/renamed"}]}
    _volumes(tmp_path, v={"configMap": chosen}).write(around(objects=given), {})
    assert (tmp_path / "v" / "x" / "renamed").read_text() == "2"
    missing = {"name": "c", "items": [{"key": "z", "path": "z"}]}
    with pytest.raises(MissingReferenceError, match="non-existent config key: z"):
        _volumes(tmp_path, v={"configMap": missing}).write(around(objects=given), {})


@pytest.mark.parametrize("source", [{"emptyDir": {}}, {"hostPath": {"path": "/etc"}}, {"persistentVolumeClaim": {}}])
def test_other_volumes_are_empty_folders(tmp_path: Path, source: dict[str, Any]) -> None:
    _volumes(tmp_path, v=source).write(around(), {})
    assert list((tmp_path / "v").iterdir()) == []


def _mounts(tmp_path: Path, volumes: Volumes, *mounts: dict[str, str]) -> Mounts:
    made = Mounts({"volumeMounts": list(mounts)}, volumes, tmp_path / "root", {"WHO": "me"})
    made.link()
    return made


def test_mounts_lead_to_the_volumes_and_follow_their_changes(tmp_path: Path) -> None:
    given = Given(config_maps={"c": {"a": "1"}})
    volumes = _volumes(tmp_path / "v", conf={"configMap": {"name": "c"}})
    volumes.write(around(objects=given), {})
    mounts = _mounts(
        tmp_path,
        volumes,
        {"name": "conf", "mountPath": "/etc/conf"},
        {"name": "conf", "mountPath": "/etc/one.yaml", "subPath": "a"},
    )
    given.config_maps["c"]["a"] = "2"
    volumes.write(around(objects=given), {})
    assert Path(mounts.paths.rewrite("/etc/conf/a")).read_text() == "2"
    assert Path(mounts.paths.rewrite("/etc/one.yaml")).read_text() == "1", "a subPath is not refreshed"


def test_a_mount_below_tmp_is_below_the_process_temporary_folder(tmp_path: Path) -> None:
    given = Given(secrets={"s": {"tls.crt": "C"}})
    volumes = _volumes(tmp_path / "v", cert={"secret": {"secretName": "s"}})
    volumes.write(around(objects=given), {})
    mounts = _mounts(tmp_path, volumes, {"name": "cert", "mountPath": "/tmp/k8s-webhook-server/serving-certs"})
    assert (mounts.root / "tmp" / "k8s-webhook-server" / "serving-certs" / "tls.crt").read_text() == "C"


def test_sub_paths_of_folders_are_made_and_shared(tmp_path: Path) -> None:
    volumes = _volumes(tmp_path / "v", data={"emptyDir": {}})
    volumes.write(around(), {})
    mounts = _mounts(tmp_path, volumes, {"name": "data", "mountPath": "/data", "subPathExpr": "$(WHO)/x"})
    (mounts.root / "data" / "file").write_text("1")
    assert (tmp_path / "v" / "data" / "me" / "x" / "file").read_text() == "1"


def test_a_restart_keeps_volumes_and_nothing_else(tmp_path: Path) -> None:
    volumes = _volumes(tmp_path / "v", data={"emptyDir": {}})
    volumes.write(around(), {})
    mounts = _mounts(tmp_path, volumes, {"name": "data", "mountPath": "/data"})
    (mounts.root / "data" / "kept").touch()
    (mounts.root / "tmp" / "gone").touch()
    mounts.link()
    assert (mounts.root / "data" / "kept").exists()
    assert not (mounts.root / "tmp" / "gone").exists()
