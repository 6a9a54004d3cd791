"""What every file of the project is held to."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:work|root)/")
UNFINISHED = re.compile(r"\b(?:TO" + "DO|FIX" + r"ME|raise Not" + r"ImplementedError)\b")
# Written by a tool, or a text that is not ours to word.
NOT_OURS = ("uv.lock", "LICENSE")
# What targets and tools make.
MADE = {".git", ".venv", ".state", ".hypothesis", ".mypy_cache", ".ruff_cache", ".pytest_cache", "__pycache__"}
LONGEST_FILE, LONGEST_FUNCTION = 400, 60


@cache
def files() -> tuple[Path, ...]:
    """Files under version control or about to be; without git, all but what the targets made."""
    paths = [path for path in ROOT.rglob("*") if not MADE & set(path.relative_to(ROOT).parts)]
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return tuple(sorted(path for path in paths if path.is_file() and path.name not in NOT_OURS))


def lines_matching(pattern: re.Pattern[str]) -> list[str]:
    """Places of a pattern, as file:line."""
    found = []
    for path in files():
        text = path.read_text(encoding="utf-8", errors="ignore")
        if pattern.search(text):
            lines = enumerate(text.splitlines(), 1)
            found += [f"{path.relative_to(ROOT)}:{number}" for number, line in lines if pattern.search(line)]
    return found


def test_no_file_names_a_directory_of_one_machine() -> None:
    assert lines_matching(MACHINE_PATH) == []


def test_nothing_is_left_unfinished() -> None:
    assert lines_matching(UNFINISHED) == []


def test_the_patterns_find_what_they_are_for() -> None:
    assert MACHINE_PATH.search("see " + "/work" + "/main")
    assert MACHINE_PATH.search('"' + "/root" + '/x"')
    assert not MACHINE_PATH.search("https://example.com/a" + "/work" + "/b")
    assert UNFINISHED.search("# TO" + "DO: later")


def python_files() -> list[Path]:
    return [path for path in files() if path.suffix == ".py"]


def test_no_file_is_too_long() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_no_function_is_too_long() -> None:
    found = {}
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    found[f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"] = length
    assert found == {}


def requirements(group: str) -> Iterator[str]:
    """What a dependency group needs, with the groups that it includes."""
    for entry in PROJECT["dependency-groups"][group]:
        yield from [entry] if isinstance(entry, str) else requirements(entry["include-group"])


def test_the_lock_is_of_this_project_file() -> None:
    locked = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    own = next(package for package in locked["package"] if package["name"] == PROJECT["project"]["name"])
    wanted = [own["metadata"]["requires-dist"], *own["metadata"]["requires-dev"].values()]
    groups = [PROJECT["project"]["dependencies"], *map(requirements, PROJECT["dependency-groups"])]
    assert sorted(f"{entry['name']}{entry.get('specifier', '')}" for group in wanted for entry in group) == sorted(
        requirement for group in groups for requirement in group
    )


def test_only_public_package_indexes_are_locked() -> None:
    hosts = set(re.findall(r"https://([^/\"]+)", (ROOT / "uv.lock").read_text(encoding="utf-8")))
    assert hosts == {"pypi.org", "files.pythonhosted.org"}
