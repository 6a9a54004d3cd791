"""The table agrees with its go.mod files and with the versions that the project locks elsewhere."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from importlib.metadata import version

import pytest
import yaml

from rehearsal.assets import table
from rehearsal.assets.find import fits
from rehearsal.parts import all_parts
from settings.document import ROOT
from tests.rehearsal.assets.conftest import HELLO

LOCK = yaml.safe_load((ROOT / "catalog" / "data" / "lock.yaml").read_text(encoding="utf-8"))


def row(name: str) -> table.Binary:
    return table.table().binaries[name]


BUILT = [name for name, row in table.table().binaries.items() if not row.wheel]
PROVIDER = "pulumi-resource-kubernetes"
FOLDERS = sorted({path.parent.name for path in table.HERE.glob("*/go.mod")})


def test_the_controllers_have_the_versions_of_their_locked_images() -> None:
    assert row("kserve-llmisvc").version == LOCK["images"]["llmisvc-controller"]["tag"]
    assert row("lws").version == LOCK["charts"]["lws"]["version"]
    assert row(PROVIDER).version == f"v{version('pulumi-kubernetes')}"


def test_the_picker_is_of_the_version_whose_plugins_the_catalog_lists() -> None:
    plugins = (ROOT / "catalog" / "data" / "epp_plugins.yaml").read_text(encoding="utf-8")
    epp = row("epp")
    assert f"alsoSource: {epp.module} {epp.version}," in plugins


def test_pulumi_satisfies_the_floor_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    floor = next(d for d in project["project"]["dependencies"] if d.startswith("pulumi>="))
    pulumi = row("pulumi")
    assert fits(pulumi.version, pulumi.fits)
    assert pulumi.fits.startswith(floor.removeprefix("pulumi"))


@pytest.mark.parametrize("name", BUILT)
def test_what_is_built_is_kept_in_its_go_mod(name: str) -> None:
    made = row(name)
    folder = table.HERE / made.folder
    if made.package.startswith("."):
        assert (folder / made.package / "main.go").is_file()
    else:
        go_mod = (folder / "go.mod").read_text(encoding="utf-8")
        assert re.search(rf"^(tool )?\s*{re.escape(made.package)}$", go_mod, re.MULTILINE)
        assert made.package.startswith(made.module)
    version = table.Module(made.folder, made.module).version
    assert f"{made.module} {version} h1:" in (folder / "go.sum").read_text(encoding="utf-8")


def test_the_parts_table_names_the_commit_that_the_provider_is_built_from() -> None:
    date, commit = re.findall(r"-(\d{8})\d+-(\w{7})", table.Module("kserve", row(PROVIDER).module).version)[0]
    [part] = [part for part in all_parts() if part.asset == PROVIDER]
    assert f"commit {commit} of {date[:4]}-{date[4:6]}-{date[6:]}" in part.note


@pytest.mark.parametrize("name", table.table().modules)
def test_modules_of_files_are_checked_by_a_go_sum(name: str) -> None:
    module = table.table().modules[name]
    sums = (table.HERE / module.folder / "go.sum").read_text(encoding="utf-8")
    assert f"{module.module} {module.version} h1:" in sums


def test_every_version_that_was_found_on_path_may_be_what_we_build() -> None:
    assert [name for name in BUILT if row(name).fits and not fits(row(name).version, row(name).fits)] == []


def test_all_staging_modules_are_of_one_version() -> None:
    go_mod = (table.HERE / "kubernetes" / "go.mod").read_text(encoding="utf-8")
    replaced = re.findall(r"^\s*(k8s\.io/\S+) => (\S+) (v\S+)$", go_mod, re.MULTILINE)
    assert len(replaced) == 33
    assert all(module == target for module, target, _ in replaced)
    assert {version for *_, version in replaced} == {"v0." + row("kube-apiserver").version.removeprefix("v1.")}


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_go_of_the_index_builds_every_folder(folder: str) -> None:
    [wanted] = re.findall(r"^go (\S+)$", (table.HERE / folder / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    assert fits(table.table().go.version, f">={wanted}")


@pytest.mark.parametrize("platform", ["linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64"])
def test_downloads_are_of_the_version_and_platform_of_their_row(platform: str) -> None:
    system, architecture = platform.split("/")
    for name in BUILT:
        if url := row(name).files.get(platform):
            filled = row(name).filled(url)
            assert row(name).version in filled
            assert system in filled
            assert re.search(rf"\b({architecture}|{'x64' if architecture == 'amd64' else 'arm64'})\b", filled)
            assert name in filled or row(name).module.endswith("/prometheus")  # promtool is in its archive


def test_the_key_changes_with_all_that_changes_the_program(rows: Callable[..., None]) -> None:
    rows(hello=HELLO, flags={**HELLO, "ldflags": "-s"}, tags={**HELLO, "tags": "x"}, slower={**HELLO, "seconds": 9})
    keys = {name: row(name).key for name in ("hello", "flags", "tags", "slower")}
    assert keys["slower"] == keys["hello"]
    assert len(set(keys.values())) == 3
    for changed in ("go.sum", "module/main.go"):
        before = row("hello").key
        (table.HERE / "hello" / changed).write_text("changed", encoding="utf-8")
        assert row("hello").key != before
