"""The rules' texts: what each forbids, what happens otherwise, what to write, where the fact comes from.

Data: `data/rules/`, one file a section. A refusal needs the texts of its own rules only, so a section is read when one
of its rules is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from catalog.files import read_yaml
from catalog.records import record

Place = Literal["settings", "objects", "policy"]
LEVELS = {"R": "rejected", "W": "warning", "O": "rejected unless overridden"}
_SECTIONS = {
    "GW": "gateway",
    "ED": "consumers",
    "RT": "routes",
    "HC": "backends",
    "BP": "backends",
    "TP": "tpu",
    "CL": "cluster",
    "KS": "kserve",
    "VL": "server",
    "MD": "server",
    "SC": "supply_chain",
    "ST": "structure",
    "OV": "structure",
    "WT": "weights",
    "NP": "isolation",
    "AS": "scaling",
    "MN": "monitoring",
}


@dataclass(frozen=True)
class Source:
    """Where a fact is from. `date`: published or observed; `read`: the day it was read, where it shows no date."""

    what: str
    url: str = ""
    date: str = ""
    read: str = ""

    def __str__(self) -> str:
        day = self.date or f"read {self.read}"
        return f"{self.what} ({day})"


@dataclass(frozen=True)
class Rule:
    """A rule. Level R rejects, W warns, O rejects unless overridden with a reason and a date.

    `fix` is something to paste; `enforced` where its code looks (settings, rendered objects, resources of any stack);
    `field_issues` the failures it comes from; `unverified` what about it nobody has seen yet, empty where all is known.
    """

    id: str
    level: str
    title: str
    consequence: str
    fix: str
    sources: tuple[Source, ...]
    enforced: tuple[Place, ...]
    field_issues: tuple[int, ...] = ()
    unverified: str = ""

    @property
    def verified(self) -> bool:
        """False where a part of the fact was not confirmed."""
        return not self.unverified

    @property
    def source(self) -> str:
        """All sources with their dates, in one line."""
        issues = ", ".join(str(number) for number in self.field_issues)
        field = [f"field issue{'s' if len(self.field_issues) > 1 else ''} {issues}"] if issues else []
        return "; ".join([*map(str, self.sources), *field])


@cache
def _section(name: str) -> dict[str, Rule]:
    return {key: _rule(key, row) for key, row in read_yaml(f"rules/{name}.yaml")["rules"].items()}


def source_of(row: dict[str, Any]) -> Source:
    """A source from its row, in which YAML has read days as dates."""
    return record(Source, {key: str(value) for key, value in row.items()})


def _rule(key: str, row: dict[str, Any]) -> Rule:
    return record(Rule, row, id=key, sources=tuple(map(source_of, row["sources"])), fix=row["fix"].rstrip("\n"))


def find_rule(key: str) -> Rule | None:
    """The rule of an id (`GW01`), None where there is none."""
    name = _SECTIONS.get(key[:2])
    return _section(name).get(key) if name else None


@cache
def load_rules() -> dict[str, Rule]:
    """All rules by id, section after section."""
    return {key: rule for name in dict.fromkeys(_SECTIONS.values()) for key, rule in _section(name).items()}
