"""A report has one verdict, and every format of it says the same."""

from __future__ import annotations

import io
import re

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from serving.checking.failures import find_failure, load_failures
from serving.checking.findings import Check, Finding, Outcome, Report, Verdict, VerdictTexts, worst
from serving.checking.render import cell, print_report, render_markdown

FAILURES = sorted(load_failures())
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)


@st.composite
def finding(draw: st.DrawFn) -> Finding:
    verdict = draw(st.sampled_from(Verdict))
    failure = "" if verdict is Verdict.PASS else draw(st.sampled_from(FAILURES))
    return Finding(verdict, draw(TEXTS), draw(TEXTS), failure=failure, needed=draw(TEXTS), fix=draw(TEXTS))


@st.composite
def report(draw: st.DrawFn) -> Report:
    outcomes = []
    for number in range(draw(st.integers(1, 4))):
        check = Check(f"check-{number}", "title", "objects", (), lambda _: ())
        outcomes.append(Outcome(check, tuple(draw(st.lists(finding(), min_size=1, max_size=3))), 0.1))
    names = [outcome.check.name for outcome in outcomes]
    return Report(
        environment="dev",
        where="a test",
        words=VerdictTexts("good", "bad", "unknown"),
        outcomes=tuple(outcomes),
        seconds=1,
        proofs=frozenset(draw(st.sets(st.sampled_from(names)))),
        strict=draw(st.booleans()),
    )


@given(report())
def test_what_failed_decides_then_what_could_not_be_asked_and_is_a_proof(made: Report) -> None:
    verdicts = {outcome.check.name: worst(f.verdict for f in outcome.findings) for outcome in made.outcomes}
    unanswered = any(verdict is Verdict.UNKNOWN and name in made.proofs for name, verdict in verdicts.items())
    failed = Verdict.FAIL in verdicts.values()
    expected = Verdict.FAIL if failed else Verdict.UNKNOWN if unanswered else Verdict.PASS
    assert made.verdict is expected
    assert made.exit_code == int(failed or (unanswered and made.strict))
    assert re.match({Verdict.FAIL: "bad: ", Verdict.UNKNOWN: "unknown: ", Verdict.PASS: "good"}[expected], made.line)
    assert "\n" not in made.line


@given(report())
def test_every_format_names_every_failure_and_ends_or_begins_with_the_verdict(made: Report) -> None:
    output = io.StringIO()
    print_report(Console(file=output, width=100), made)
    text, markdown, data = output.getvalue(), render_markdown(made), made.as_json()
    assert text.splitlines()[-1] == made.line == data["verdict"]
    assert markdown.startswith("### `dev`: ")
    wrong = {f.failure for outcome in made.outcomes for f in outcome.findings if f.verdict is not Verdict.PASS}
    for failure in wrong:
        assert f"Runbook: {find_failure(failure).anchor}" in text
        assert f"{find_failure(failure).anchor}\n" in markdown
    told = {item["failure"] for check in data["checks"] for item in check["results"] if item["verdict"] != "pass"}
    assert told == wrong


@given(st.lists(TEXTS, min_size=1, max_size=3))
def test_no_text_of_an_object_becomes_markup(texts: list[str]) -> None:
    check = Check("check", "title", "objects", (), lambda _: ())
    found = tuple(Finding(Verdict.FAIL, text, text, failure="unexpected", fix=text) for text in texts)
    words = VerdictTexts("good", "bad", "unknown")
    outcomes = (Outcome(check, found, 0),)
    made = Report(environment="dev", where="x", words=words, outcomes=outcomes, seconds=0, proofs=frozenset())
    output = io.StringIO()
    print_report(Console(file=output, width=100), made)
    assert all(text in output.getvalue() for text in texts)
    markdown = render_markdown(made)
    assert all(cell(text) in markdown for text in texts)


@given(st.lists(finding(), min_size=1, max_size=4), st.integers(1, 3))
def test_what_several_checks_found_is_told_once(found: list[Finding], count: int) -> None:
    checks = [Check(f"c{number}", "t", "o", (), lambda _: ()) for number in range(count)]
    made = Report(
        environment="dev",
        where="x",
        words=VerdictTexts("good", "bad", "unknown"),
        outcomes=tuple(Outcome(check, tuple(found), 0) for check in checks),
        seconds=0,
        proofs=frozenset(),
    )
    told = made.not_passed
    assert len(told) == len({repr(item) for item in found if item.verdict is not Verdict.PASS})
    assert all(named == checks for _, named in told)
