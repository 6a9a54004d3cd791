"""The rules' texts are complete, dated, and name what nobody has confirmed."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

import pytest
import yaml

from catalog.files import DATA_DIR
from catalog.records import record
from catalog.rules import LEVELS, find_rule, load_rules

RULES = list(load_rules().values())
LAST_DAY = "2026-12-01"


def test_a_rule_says_what_happens_what_to_write_and_who_says_so() -> None:
    for rule in RULES:
        assert re.fullmatch(r"[A-Z]{2}\d{2}", rule.id)
        assert rule.level in LEVELS
        assert not rule.title.endswith(".") and len(rule.title) <= 90, rule
        assert rule.consequence.endswith(".") and len(rule.consequence) <= 140, rule
        assert rule.fix and rule.sources and rule.enforced, rule
        assert set(rule.enforced) <= {"settings", "objects", "policy"}
        assert ("objects" in rule.enforced) == ("policy" in rule.enforced), "the policy pack runs the same functions"
        assert all(1 <= number <= 15 for number in rule.field_issues)
        assert not rule.unverified or rule.unverified.endswith("."), rule


def test_every_source_is_public_and_has_a_day() -> None:
    for source in (source for rule in RULES for source in rule.sources):
        assert bool(source.date) != bool(source.read), f"{source.what}: published or read, one of the two"
        day = source.date or source.read
        assert re.fullmatch(r"\d{4}-\d{2}(-\d{2})?", day) and day <= LAST_DAY, source
        if len(day) == 10:
            datetime.date.fromisoformat(day)
        assert not re.search(r"(gke|kserve|pulumi|peers|rules|design)\.md", source.what)
        assert source.url == "" or source.url.startswith("https://")


def test_every_field_issue_has_a_rule() -> None:
    assert {n for rule in RULES for n in rule.field_issues} == {*range(1, 10), *range(12, 16)}


def test_what_is_pasted_is_yaml_where_it_looks_like_it() -> None:
    for rule in RULES:
        first = rule.fix.split("\n")[0]
        if re.match(r"[\w{].*: ", first) and not first.endswith("."):
            pasted = yaml.safe_load(rule.fix.split("\nmodels:")[0] if rule.id == "SC03" else rule.fix)
            assert isinstance(pasted, dict), rule.id


def test_a_section_has_only_its_own_rules() -> None:
    files = {
        p.stem: yaml.safe_load(p.read_text(encoding="utf-8"))["rules"] for p in (DATA_DIR / "rules").glob("*.yaml")
    }
    assert sum(len(rows) for rows in files.values()) == len(RULES)
    assert all(find_rule(key) is not None for rows in files.values() for key in rows)
    assert find_rule("ZZ01") is None and find_rule("GW99") is None and find_rule("") is None


@dataclass(frozen=True)
class Row:
    """A row for the test."""

    some_text: str
    count: int
    parts: tuple[str, ...] = ()


def test_a_damaged_row_is_refused() -> None:
    assert record(Row, {"someText": "a", "count": 1, "parts": ["x"]}) == Row("a", 1, ("x",))
    for row in ({"someText": "a"}, {"someText": "a", "count": 1, "other": 2}, {"someText": "a", "count": "1"}):
        with pytest.raises(ValueError, match="Row"):
            record(Row, row)
