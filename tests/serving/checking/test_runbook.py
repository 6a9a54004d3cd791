"""Every failure that a check can name has its section, the pages are those that the data make, and the index leads to them."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from catalog.rules import find_rule
from serving.alerts.all_alerts import all_alerts
from serving.checking.failures import PARTS, RUNBOOK, ErrorText, Failure, load_failures
from serving.checking.runner import COMMON_FAILURES
from serving.drift.findings import Kind
from serving.preflight import registry as before
from serving.runbook import render, symptoms
from serving.verify import registry as after

ROOT = Path(__file__).resolve().parents[3]
PAGES = {path: (ROOT / path).read_text(encoding="utf-8") for path in render()}
INDEX = f"{RUNBOOK}.md"
BEFORE = {name for check in before.checks() for name in check.failures} | set(COMMON_FAILURES)
AFTER = {name for check in after.checks() for name in check.failures} | set(COMMON_FAILURES)
PRINTED = {failure.id for failure in load_failures().values() if failure.part == "up-refresh-destroy"}
ALERTED = {alert.section.partition("#")[2] for alert in all_alerts()}
NAMED = BEFORE | AFTER | set(Kind) | PRINTED | ALERTED
# What a sitting may take, lines.
_SITTING = 900


def test_the_pages_are_current() -> None:
    assert render() == PAGES, "run `make docs`"


def test_every_failure_of_every_check_has_a_section_on_the_page_of_its_part_and_no_section_is_idle() -> None:
    sections = [
        (path, name) for path, text in PAGES.items() for name in re.findall(r"^## ([a-z-]+)$", text, re.MULTILINE)
    ]
    assert sorted(f"{path}#{name}" for path, name in sections) == sorted(f.anchor for f in load_failures().values())
    assert set(load_failures()) == NAMED


def test_every_alert_leads_to_a_section_which_says_so_and_no_other_does() -> None:
    said = {
        (f"{path}#{name}", alert)
        for path, text in PAGES.items()
        for name, body in re.findall(r"^## ([a-z-]+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
        for line in re.findall(r"^\*\*Alert:\*\* (.*)$", body, re.MULTILINE)
        for alert in re.findall(r"`([a-z-]+)`", line)
    }
    assert said == {(alert.runbook, alert.id) for alert in all_alerts()}
    assert {f.id for f in load_failures().values() if f.part == "alerts"} <= ALERTED


def test_every_link_leads_to_a_section_and_every_page_is_read_in_one_sitting() -> None:
    anchors = {failure.anchor for failure in load_failures().values()}
    for path, text in PAGES.items():
        assert len(text.splitlines()) <= _SITTING, path
        for page, name in re.findall(r"\]\(([a-z/.-]*)#([^)]+)\)", text):
            assert f"{Path(path).parent / page if page else path}#{name}" in anchors, (path, name)


def test_sections_refer_only_to_failures_and_checks_that_exist() -> None:
    known = NAMED | {check.name for check in before.checks()} | {check.name for check in after.checks()}
    for failure in load_failures().values():
        referred = [name for step in failure.do for name in re.findall(r"(?:[Ss]ee|read) ([a-z]+(?:-[a-z]+)+)", step)]
        assert set(referred) <= known, failure.id


def test_the_index_names_every_word_once_in_order_and_symptoms_lead_to_sections() -> None:
    words = re.findall(r"^\| `(.+)` \| \[", PAGES[INDEX], re.MULTILINE)
    assert len(words) == len({w.text for f in load_failures().values() for w in f.words}) > 20
    assert all(one < other for one, other in pairwise(words))
    assert {name for names in symptoms().values() for name in names} <= NAMED
    for seen in ("503", "404", "Pending", "timeout"):
        assert any(seen in said for said in symptoms())
    assert {
        failure.part for names in symptoms().values() for failure in map(load_failures().get, names) if failure
    } <= set(PARTS)


@pytest.mark.parametrize("failure", [load_failures()[name] for name in sorted(PRINTED)], ids=lambda failure: failure.id)
def test_what_pulumi_and_google_print_is_known_from_a_test_or_a_source(failure: Failure) -> None:
    assert failure.words
    for words in failure.words:
        assert "|" not in words.text
        assert words.source
        for place in re.findall(r"tests/[\w/]+\.py(?:::\w+)?", words.source):
            path, _, function = place.partition("::")
            assert f"def {function}" in (ROOT / path).read_text(encoding="utf-8"), words.source


def test_a_test_that_words_are_known_from_looks_for_them() -> None:
    """Such a test takes the words from here (`tests/words.py`), so that no section quotes what is not printed."""
    tested = [(f, w) for f in load_failures().values() for w in f.words if _tested(w)]
    assert tested
    for failure, words in tested:
        [place] = re.findall(r"tests/[\w/]+\.py", words.source)
        assert f'"{failure.id}"' in (ROOT / place).read_text(encoding="utf-8"), (failure.id, place)


def _tested(words: ErrorText) -> bool:
    return words.source.startswith("tests/")


def test_a_section_says_how_it_looks_why_and_what_to_do() -> None:
    for failure in load_failures().values():
        assert failure.looks.endswith((".", ".)", "`")), failure.id
        assert failure.why.endswith("."), failure.id
        assert failure.do, failure.id
        assert all(find_rule(rule) for rule in failure.rules), failure.id


def test_every_failure_in_the_code_is_one_of_the_runbook() -> None:
    """Names in calls: `failed("name"`, `RequestError("name"` and the like."""
    calls = re.compile(r"(?:failed|warned|unknown|make|RequestError|CannotAskError)\(\s*\"([a-z-]+)\"")
    found = set()
    for command in ("preflight", "verify"):
        for path in (ROOT / "serving" / command).rglob("*.py"):
            found |= set(calls.findall(path.read_text(encoding="utf-8")))
    assert len(found) > 80
    assert found <= NAMED
