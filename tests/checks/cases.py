"""Cases of the rules on settings: `cases/*.yaml`, by rule.

`accepted`: changes of a good file (path: value) about which the rule says nothing. `refused`: `set` (the changes), `at`
(the path the refusal names), and what the fix says: `fix` (a part of its text) or `paste` (a part that is YAML; put
beside `at`, it makes the rule content). TOMORROW, TODAY and TOKEN stand for a day and for something like a token.
"""

from __future__ import annotations

import copy
import datetime
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from checks.environment import check
from settings.document import Document
from settings.refusal import Finding

FOLDER = Path(__file__).parent / "cases"
GOOD: dict[str, Any] = {
    "project": {"id": "example-project"},
    "location": {"zone": "europe-west4-a"},
    "models": [
        {"name": "qwen", "source": "hf://Qwen/Qwen2.5-3B-Instruct", "tpu": {"generation": "v6e", "topology": "2x2"}}
    ],
}
# The day that it is in the tests of these cases (conftest.py): a real one could end between two lines of a test.
TODAY = datetime.date(2026, 11, 28)
_WORDS = {
    "TODAY": TODAY.isoformat(),
    "TOMORROW": (TODAY + datetime.timedelta(days=1)).isoformat(),
    "TOKEN": "hf_" + "a" * 30,
}


@dataclass(frozen=True)
class Case:
    """A change of a good file, and what is said of it."""

    rule: str
    number: int
    changes: dict[str, Any]
    at: str = ""
    fix: str = ""
    paste: str = ""

    def __str__(self) -> str:
        return f"{self.rule}-{self.number}"

    def data(self) -> dict[str, Any]:
        """The changed file."""
        data = copy.deepcopy(GOOD)
        for path, value in self.changes.items():
            put(data, steps(path), copy.deepcopy(_filled(value)))
        return data


def _filled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _filled(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner) for inner in value]
    return _WORDS.get(value, value) if isinstance(value, str) else value


def steps(path: str) -> list[str | int]:
    """`models[0].tpu` -> ["models", 0, "tpu"]."""
    return [int(i) if i else key for key, i in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path)]


def put(data: Any, path: list[str | int], value: Any) -> None:
    """Write a value, with the mappings on the way to it."""
    for step in path[:-1]:
        data = data.setdefault(step, {}) if isinstance(data, dict) else data[step]
    data[path[-1]] = value


def findings(data: dict[str, Any]) -> list[Finding]:
    """Everything said about a file's content."""
    return check(Document("test", "test.yaml", data))[1]


@cache
def _rows() -> dict[str, Any]:
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.yaml"))]
    assert len({rule for rows in files for rule in rows}) == sum(map(len, files)), "a rule stands in two files"
    return {rule: row for rows in files for rule, row in rows.items()}


def rules_with_cases() -> set[str]:
    """Rules that have at least one case of each kind."""
    return {rule for rule, row in _rows().items() if row["accepted"] and row["refused"]}


def refused_cases() -> list[Case]:
    """Every refused case."""
    return [
        Case(rule, number, row["set"], row["at"], row.get("fix", ""), row.get("paste", ""))
        for rule, rows in _rows().items()
        for number, row in enumerate(rows["refused"])
    ]


def accepted_cases() -> list[Case]:
    """Every accepted case."""
    return [Case(rule, number, row) for rule, rows in _rows().items() for number, row in enumerate(rows["accepted"])]
