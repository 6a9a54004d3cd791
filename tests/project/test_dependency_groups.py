"""Who runs `pulumi up` alone installs what it needs: what a package imports is in the dependency groups it may use."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

from serving.commands.options import GROUPS

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
LOCKED = {package["name"]: package for package in LOCK["package"]}
DISTRIBUTIONS = packages_distributions()
OURS = {path.parent.name for path in ROOT.glob("*/__init__.py")}
OURS |= {path.stem for path in (ROOT / "manifests/scripts").glob("*.py")}  # beside each other in a pod
# Folder or file -> groups beside the dependencies of the project; the first that fits counts.
MAY_USE = {
    "serving/bench": ("cloud", "bench"),
    "serving": ("cloud",),
    "cluster": ("cloud",),
    "rehearsal": ("cloud", "rehearsal"),
    "benchmarks": ("cloud", "rehearsal", "dev"),
    **dict.fromkeys(
        ("catalog", "settings", "checks", "manifests", "components", "providers", "policy", "examples"), ()
    ),
    "__main__.py": (),
}
ONLY_REHEARSAL = {"aiohttp", "psutil"}


def installed(*groups: str) -> set[str]:
    """Every distribution that the lock has for the project's dependencies and these groups."""
    own = LOCKED[PROJECT["project"]["name"]]
    waiting = [own.get("dependencies", []), *(own["dev-dependencies"][group] for group in groups)]
    names = [entry["name"] for entries in waiting for entry in entries]
    found: set[str] = set()
    while names:
        name = names.pop()
        if name not in found:
            found.add(name)
            names += [entry["name"] for entry in LOCKED[name].get("dependencies", [])]
    return found


def imported(path: Path) -> Iterator[str]:
    """Top-level packages of others that a file imports anywhere."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        yield from {name.split(".")[0] for name in names} - sys.stdlib_module_names - OURS - {"_typeshed"}


def distributions(name: str) -> set[str]:
    """What brings a top-level package, by the names that the lock has."""
    return {found.lower().replace("_", "-") for found in DISTRIBUTIONS[name]}


def files(place: str) -> list[Path]:
    """The files of a folder that no earlier place has."""
    before = list(MAY_USE)[: list(MAY_USE).index(place)]
    found = [ROOT / place] if place.endswith(".py") else sorted((ROOT / place).rglob("*.py"))
    return [path for path in found if not any(path.is_relative_to(ROOT / other) for other in before)]


@pytest.mark.parametrize("place", MAY_USE)
def test_what_a_package_imports_is_in_the_groups_it_may_use(place: str) -> None:
    there = installed(*MAY_USE[place])
    assert files(place)
    missing = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in files(place)
        for name in imported(path)
        if not there & distributions(name)
    }
    assert not missing


def test_pulumi_up_alone_installs_neither_a_client_of_clusters_nor_what_the_rehearsal_needs() -> None:
    assert not installed() & {*ONLY_REHEARSAL, "kubernetes", "google-api-python-client", "locust"}


def test_what_only_the_rehearsal_needs_is_imported_nowhere_else() -> None:
    own = {name for name in DISTRIBUTIONS if ONLY_REHEARSAL & distributions(name)}
    assert len(own) == len(ONLY_REHEARSAL)
    for place in (name for name in MAY_USE if name not in ("rehearsal", "benchmarks")):
        assert not [path for path in files(place) if own & set(imported(path))]


def test_a_command_asks_for_packages_of_its_own_group() -> None:
    for group, names in GROUPS.items():
        assert set().union(*map(distributions, names)) <= installed(group) - installed()


def test_set_up_installs_every_group() -> None:
    options: dict[str, Any] = PROJECT["tool"]["uv"]
    assert set(options["default-groups"]) == set(PROJECT["dependency-groups"])
