"""The image table: every image that the program installs is either known or named as unknown."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import yaml

from catalog.lock import load_lock
from rehearsal.kubelet import images, storage_initializer

ROOT = Path(__file__).parents[3]

# Images of the lock that do nothing in a rehearsal: cert-manager has its own stand-in, the tokenizer is only used by a
# picker plugin that the program does not configure.
UNKNOWN = {
    "cert-manager-controller",
    "cert-manager-webhook",
    "cert-manager-cainjector",
    "cert-manager-startupapicheck",
    "uds-tokenizer",
}


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        ("python:3.13", "docker.io/library/python"),
        ("docker.io/kserve/x:v1", "docker.io/kserve/x"),
        ("host:5000/a/b:v1@sha256:00", "host:5000/a/b"),
        ("host:5000/a/b", "host:5000/a/b"),
    ],
)
def test_repository_of_a_reference(image: str, repository: str) -> None:
    assert images.repository_of(image) == repository


def test_a_row_matches_any_registry_and_tag_but_whole_components() -> None:
    assert images.find("mirror.example.com/team/lws/lws:main") is images.find("registry.k8s.io/lws/lws:v0.8.0")
    assert images.find("registry.k8s.io/other-lws/lws:v1") is None
    assert images.find("example.com/me/python:3") is None


def test_every_locked_image_has_a_row_or_is_known_to_do_nothing() -> None:
    rows = {key for key, image in load_lock().images.items() if _has_row(image.reference())}
    assert rows | UNKNOWN == set(load_lock().images)
    assert not rows & UNKNOWN


def _has_row(reference: str) -> bool:
    return any(row.matches(images.repository_of(reference)) for row in images.table())


def test_a_row_whose_module_is_missing_counts_as_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    row = next(row for row in images.table() if row.needs)
    monkeypatch.setattr(images, "_exists", lambda _: False)
    assert images.find(f"docker.io/{row.repository}:v1") is None
    monkeypatch.setattr(images, "_exists", lambda module: module == row.needs)
    assert images.find(f"docker.io/{row.repository}:v1") is row


def test_executables_say_one_thing_each_and_entrypoints_are_among_them() -> None:
    for row in images.table():
        assert row.entrypoint[0] in row.executables, row.repository
        for name, executable in row.executables.items():
            given = [executable.asset is not None, executable.module is not None, executable.python]
            assert sum(given) == 1, f"{row.repository} {name}"


def test_modules_that_rows_run_without_a_condition_exist() -> None:
    for row in images.table():
        if row.needs is None:
            for executable in row.executables.values():
                assert executable.module is None or importlib.util.find_spec(executable.module)


def test_the_storage_initializer_makes_its_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "mnt" / "models"
    assert storage_initializer.main(["hf://owner/model", str(folder)]) == 0
    assert folder.is_dir()
    assert "not downloaded" in capsys.readouterr().out
    assert storage_initializer.main(["hf://owner/model"]) == 2


def test_behaviours_name_tests_that_exist() -> None:
    rows = yaml.safe_load(Path(images.__file__).with_name("behaviour.yaml").read_text(encoding="utf-8"))
    for row in rows:
        path, _, name = row["test"].partition("::")
        assert row["source"]
        assert row["behaviour"].startswith("Not offered") or f"def {name}(" in (ROOT / path).read_text(encoding="utf-8")
