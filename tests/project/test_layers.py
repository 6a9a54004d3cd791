"""Imports point one way, heavy packages are imported only where they are needed, and every package is held to it."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tools.checks import LINT

ROOT = Path(__file__).resolve().parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))
PRODUCT = [name for name in PACKAGES if name not in ("tests", "tools", "benchmarks")]
HEAVY = ("pulumi", "pulumi_gcp", "pulumi_kubernetes", "rich", "httpx", "networkx", "jsonschema", "grpc", "hypothesis")


def test_every_contract_is_kept() -> None:
    done = verdict(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("package", PRODUCT)
def test_every_package_is_under_contract_and_packaged(package: str) -> None:
    options = PROJECT["tool"]["importlinter"]
    named = {name for contract in options["contracts"] for name in contract.get("source_modules", [])}
    assert package in options["root_packages"]
    assert package in named
    assert package in PROJECT["tool"]["uv"]["build-backend"]["module-name"]


WRONG = [
    ("settings", "checks"),
    ("catalog", "settings"),
    ("checks", "manifests"),
    ("manifests", "components"),
    ("manifests", "pulumi"),
    ("settings", "pulumi_gcp"),
    ("serving", "components"),
    ("rehearsal", "components"),
    ("policy", "manifests"),
    ("policy", "serving"),
    ("components", "serving"),
    ("serving", "rehearsal"),
]


def verdict(checkout: Path) -> subprocess.CompletedProcess[str]:
    """The contracts' verdict on a checkout."""
    command = [str(Path(sys.executable).with_name("lint-imports")), *LINT["layers"][1:]]
    environment = {**os.environ, "PYTHONPATH": str(checkout), "COLUMNS": "200"}
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)


def test_wrong_imports_are_found(tmp_path: Path) -> None:
    """In a checkout whose packages are empty but for them."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name in (*PRODUCT, "tools", "tools/ci"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    assert verdict(tmp_path).returncode == 0
    for package, imported in WRONG:
        (tmp_path / package / f"uses_{imported}.py").write_text(f"import {imported}\n")
    found = verdict(tmp_path)
    assert found.returncode == 1
    assert [pair for pair in WRONG if f"{pair[0]}.uses_{pair[1]} -> {pair[1]}" not in found.stdout] == [], found.stdout


def modules_below(package: str) -> list[str]:
    """Every module of a package, but for those that are started by name."""
    paths = (path.relative_to(ROOT).with_suffix("") for path in (ROOT / package).rglob("*.py"))
    return sorted(".".join(path.parts).removesuffix(".__init__") for path in paths if path.name != "__main__")


@pytest.mark.parametrize(
    "modules",
    [modules_below("settings"), modules_below("checks"), modules_below("catalog"), ["serving.cli"]],
    ids=["settings", "checks", "catalog", "serving.cli"],
)
def test_settings_checks_catalog_and_the_command_line_load_nothing_heavy(modules: list[str]) -> None:
    code = (
        f"import sys, {', '.join(modules)}\nprint(*sorted({{m.split('.')[0] for m in sys.modules}} & set({HEAVY!r})))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def provider_imports() -> set[str]:
    """Services of the provider packages that our code imports, as `pulumi_gcp.compute`."""
    found = set()
    for package in PRODUCT:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names = [f"{node.module}.{alias.name}" for alias in node.names]
                else:
                    continue
                parts = [name.split(".") for name in names]
                found |= {".".join(p[:2]) for p in parts if p[0] in ("pulumi_gcp", "pulumi_kubernetes")}
    return found


def test_mypy_follows_every_provider_service_that_we_import() -> None:
    """The rest is skipped for speed; a service that is used and not followed would silently be `Any`."""
    overrides = PROJECT["tool"]["mypy"]["overrides"]
    followed = {
        name.removesuffix(".*")
        for entry in overrides
        if entry.get("follow_imports") == "silent"
        for name in entry["module"]
    }
    top_level = {"pulumi_gcp.Provider", "pulumi_kubernetes.Provider"}
    assert provider_imports() - top_level <= followed
