"""A rehearsal is found by its target file alone; an environment on the cloud by its stack outputs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cluster import target as target_module
from cluster.target import (
    Target,
    TargetError,
    TargetFile,
    find_rehearsal,
    read_target,
    rehearsal_folder,
    remove_target,
    write_target,
)
from settings.document import ROOT
from settings.outputs import Outputs
from settings.refusal import RefusedError
from tests.serving.verify import deployed

LISTENER = {"gateway": {"url": "http://127.0.0.1:8080", "hostname": None}, "backends": []}


def outputs(base: str = "http://10.0.0.9") -> Outputs:
    return deployed.outputs(deployed.deployment(), base)


def running(folder: Path, *, known: bool = True) -> TargetFile:
    """The target file of a rehearsal of prod in a folder."""
    return TargetFile(
        environment="prod",
        file=Path("Pulumi.prod.yaml"),
        phase="ready" if known else "starting",
        kubeconfig=folder / "kubeconfig",
        load_balancer=folder / "load-balancer.json",
        ca_file=folder / "ca.crt",
        outputs=outputs() if known else None,
    )


def never(_: Path) -> Outputs:
    raise AssertionError("the outputs are known")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of prod's rehearsal, in a place of the test's own."""
    monkeypatch.setattr(target_module.rehearsal_folder, "__defaults__", (tmp_path,))
    (tmp_path / "prod").mkdir()
    return tmp_path / "prod"


def test_a_target_file_is_read_as_it_was_written_and_only_its_owner_may(home: Path) -> None:
    for known in (True, False):
        write_target(home, running(home, known=known))
        assert read_target(home) == running(home, known=known)
    assert (home / "target.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in home.iterdir()] == ["target.json"]


def test_a_rehearsal_is_found_by_its_target_file_alone(home: Path) -> None:
    write_target(home, running(home))
    found = find_rehearsal("prod", never)
    assert (found.kubeconfig, found.ca_file, found.outputs) == (home / "kubeconfig", home / "ca.crt", outputs())
    assert found.rehearsal


def test_before_the_first_up_has_ended_the_outputs_are_those_of_the_plan(home: Path) -> None:
    write_target(home, running(home, known=False))
    asked: list[Path] = []

    def planned(path: Path) -> Outputs:
        asked.append(path)
        return outputs("http://unknown")

    assert find_rehearsal("prod", planned).outputs.base_url == "http://unknown"
    assert asked == [Path("Pulumi.prod.yaml")]


def test_without_a_target_file_none_is_running(home: Path) -> None:
    write_target(home, running(home))
    for _ in range(2):
        remove_target(home)
    with pytest.raises(TargetError, match="no rehearsal of prod is running"):
        find_rehearsal("prod", never)


@pytest.mark.parametrize("content", ["", "{}", "[]", "\x00", '{"environment": 1}'])
def test_a_broken_target_file_is_said(home: Path, content: str) -> None:
    (home / "target.json").write_text(content)
    with pytest.raises(TargetError, match="is not a target file"):
        find_rehearsal("prod", never)


def test_a_rehearsal_is_asked_where_its_load_balancer_listens_and_nowhere_else(tmp_path: Path) -> None:
    target = running(tmp_path).target(never)
    [model] = target.outputs.models
    for content in (None, "", "{", "{}", '{"gateway": {}}', '{"gateway": null}'):
        if content is not None:
            (tmp_path / "load-balancer.json").write_text(content)
        assert target.model_url(model.url) is None
    (tmp_path / "load-balancer.json").write_text(json.dumps(LISTENER))
    assert target.model_url(model.url) == "http://127.0.0.1:8080/llm-serving/qwen2-5-3b"


def test_an_url_of_the_caller_replaces_scheme_and_host_and_keeps_the_path() -> None:
    target = Target("test", outputs())
    [model] = target.outputs.models
    assert target.model_url(model.url) == "http://10.0.0.9/llm-serving/qwen2-5-3b"
    tunnel = target.with_options(kubeconfig=None, url="https://localhost:8443/", token=None, ca_file=None)
    assert tunnel.model_url(model.url) == "https://localhost:8443/llm-serving/qwen2-5-3b"


def test_named_environments_and_files_of_the_same_name_have_folders_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    files = [tmp_path / "one" / "dev.yaml", tmp_path / "two" / "dev.yaml", tmp_path / "one" / "Pulumi.dev.yaml"]
    for path in files:
        path.write_text("config: {}\n", encoding="utf-8")
    found = {rehearsal_folder("dev"), rehearsal_folder(str(ROOT / "Pulumi.dev.yaml"))}
    assert [path.name for path in found] == ["dev"]
    assert len({rehearsal_folder(str(path)) for path in files} | found) == 4


def test_a_rehearsal_whose_file_is_gone_can_still_be_named(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    assert rehearsal_folder("gone", tmp_path) == tmp_path / "gone"
    for name in ("never-there", "../gone", ".."):
        with pytest.raises(RefusedError):
            rehearsal_folder(name, tmp_path)
