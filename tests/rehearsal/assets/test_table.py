"""The table agrees with its go.mod files and with the versions that the project locks elsewhere."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from rehearsal.assets import table
from rehearsal.assets.find import fits
from settings.document import ROOT
from tests.rehearsal.assets.conftest import HELLO

LOCK = yaml.safe_load((ROOT / "catalog" / "data" / "lock.yaml").read_text(encoding="utf-8"))
BUILT = [name for name, row in table.table().binaries.items() if not row.wheel]
FOLDERS = sorted({path.parent.name for path in table.HERE.glob("*/go.mod")})


@pytest.mark.parametrize(
    ("name", "chart"),
    [
        ("kserve", "kserve-llmisvc-crd"),
        ("kserve", "kserve-llmisvc-resources"),
        ("kserve", "kserve-runtime-configs"),
        ("lws", "lws"),
        ("cert-manager", "cert-manager"),
    ],
)
def test_modules_have_the_versions_of_the_locked_charts(name: str, chart: str) -> None:
    assert table.table().modules[name].version == LOCK["charts"][chart]["version"]


def test_the_controllers_have_the_versions_of_their_locked_images() -> None:
    assert table.binary("kserve-llmisvc").version == LOCK["images"]["llmisvc-controller"]["tag"]
    assert table.binary("lws").version == LOCK["charts"]["lws"]["version"]


def test_the_picker_is_of_the_version_whose_plugins_the_catalog_lists() -> None:
    plugins = (ROOT / "catalog" / "data" / "epp_plugins.yaml").read_text(encoding="utf-8")
    row = table.binary("epp")
    assert f"alsoSource: {row.module} {row.version}," in plugins


def test_pulumi_satisfies_the_floor_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    floor = next(d for d in project["project"]["dependencies"] if d.startswith("pulumi>="))
    row = table.binary("pulumi")
    assert fits(row.version, row.fits)
    assert row.fits.startswith(floor.removeprefix("pulumi"))


@pytest.mark.parametrize("name", BUILT)
def test_what_is_built_is_kept_in_its_go_mod(name: str) -> None:
    row = table.binary(name)
    go_mod = (table.module_folder(row.folder) / "go.mod").read_text(encoding="utf-8")
    assert re.search(rf"^(tool )?\s*{re.escape(row.package)}$", go_mod, re.MULTILINE)
    assert row.package.startswith(row.module)
    sums = (table.module_folder(row.folder) / "go.sum").read_text(encoding="utf-8")
    assert f"{row.module} {row.version} h1:" in sums


@pytest.mark.parametrize("name", table.table().modules)
def test_modules_of_files_are_checked_by_a_go_sum(name: str) -> None:
    row = table.table().modules[name]
    sums = (table.module_folder(row.folder) / "go.sum").read_text(encoding="utf-8")
    assert f"{row.module} {row.version} h1:" in sums


def test_every_version_that_was_found_on_path_may_be_what_we_build() -> None:
    assert [
        name
        for name in BUILT
        if table.binary(name).fits and not fits(table.binary(name).version, table.binary(name).fits)
    ] == []


def test_all_staging_modules_are_of_one_version() -> None:
    go_mod = (table.HERE / "kubernetes" / "go.mod").read_text(encoding="utf-8")
    replaced = re.findall(r"^\s*(k8s\.io/\S+) => (\S+) (v\S+)$", go_mod, re.MULTILINE)
    assert len(replaced) == 33
    assert all(module == target for module, target, _ in replaced)
    assert {version for *_, version in replaced} == {"v0." + table.binary("kubectl").version.removeprefix("v1.")}


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_go_of_the_index_builds_every_folder(folder: str) -> None:
    assert fits(table.table().go.version, f">={table.go_directive(folder)}")


@pytest.mark.parametrize("platform", ["linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64"])
def test_downloads_are_of_the_version_and_platform_of_their_row(platform: str) -> None:
    for name in BUILT:
        row = table.binary(name)
        url = row.download.files.get(platform) if row.download else None
        if url:
            system, architecture = platform.split("/")
            filled = row.filled(url)
            assert row.version in filled
            assert system in filled
            assert re.search(rf"\b({architecture}|{'x64' if architecture == 'amd64' else 'arm64'})\b", filled)
            assert name in filled


def test_flags_carry_the_version() -> None:
    row = table.binary("kube-apiserver")
    assert f"gitVersion={row.version}" in row.filled(row.ldflags)
    assert f"gitMinor={row.version.split('.')[1]}" in row.filled(row.ldflags)


def test_the_key_changes_with_all_that_changes_the_program(rows: Callable[..., None]) -> None:
    rows(hello=HELLO, flags={**HELLO, "ldflags": "-s"}, tags={**HELLO, "tags": "x"}, slower={**HELLO, "seconds": 9})
    keys = {name: table.binary(name).key for name in ("hello", "flags", "tags", "slower")}
    assert keys["slower"] == keys["hello"]
    assert len(set(keys.values())) == 3
    Path(table.HERE / "hello" / "go.sum").write_text("changed", encoding="utf-8")
    assert table.binary("hello").key != keys["hello"]
