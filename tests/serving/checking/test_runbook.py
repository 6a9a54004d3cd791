"""Every failure that a check can name has its section, and the document is the one that the data make."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from catalog.rules import find_rule
from serving.checking.ask import ANY
from serving.checking.failures import Failure, load_failures
from serving.drift.findings import Kind
from serving.preflight import registry as before
from serving.runbook import render
from serving.verify import registry as after

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
BEFORE = {name for check in before.checks() for name in check.failures} | set(ANY)
AFTER = {name for check in after.checks() for name in check.failures} | set(ANY)
NAMED = BEFORE | AFTER | set(Kind)


def test_the_document_is_current() -> None:
    assert render() == DOCUMENT, "run `make docs`"


def test_every_failure_of_every_check_has_a_section_and_no_section_is_idle() -> None:
    assert set(re.findall(r"^### (\S+)$", DOCUMENT, re.MULTILINE)) == NAMED == set(load_failures())


def test_every_link_of_the_document_leads_to_a_section() -> None:
    links = set(re.findall(r"\]\(#([^)]+)\)", DOCUMENT))
    assert links <= NAMED


def test_sections_refer_only_to_failures_and_checks_that_exist() -> None:
    known = NAMED | {check.name for check in before.checks()} | {check.name for check in after.checks()}
    for failure in load_failures().values():
        referred = [name for step in failure.do for name in re.findall(r"[Ss]ee ([a-z]+(?:-[a-z]+)+)", step)]
        assert set(referred) <= known, failure.id


@pytest.mark.parametrize("failure", load_failures().values(), ids=lambda failure: failure.id)
def test_a_section_says_how_it_looks_why_and_what_to_do(failure: Failure) -> None:
    assert failure.looks.endswith((".", ".)", "`"))
    assert failure.why.endswith(".")
    assert failure.do
    assert all(find_rule(rule) for rule in failure.rules)


def test_every_failure_in_the_code_is_one_of_the_runbook() -> None:
    """Names in calls: `failed("name"`, `SymptomError("name"` and the like."""
    calls = re.compile(r"(?:failed|warned|unknown|make|SymptomError|CannotAskError)\(\s*\"([a-z-]+)\"")
    found = set()
    for command in ("preflight", "verify"):
        for path in (ROOT / "serving" / command).rglob("*.py"):
            found |= set(calls.findall(path.read_text(encoding="utf-8")))
    assert len(found) > 80
    assert found <= NAMED
