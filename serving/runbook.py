"""The runbook: an index of symptoms (docs/runbook.md), and a page a part, made from the failures and from what names them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from serving.alerts.all_alerts import all_alerts, leading_to
from serving.checking.failures import PARTS, RUNBOOK, Failure, load_failures
from serving.checking.runner import COMMON_FAILURES
from serving.drift.findings import Kind
from serving.google.errors import GOOGLE_FAILURES
from serving.preflight import registry as before
from serving.verify import registry as after
from serving.verify.checks.traffic import CONNECTION_FAILURES

_SYMPTOMS = Path(__file__).parent / "checking/data/symptoms.yaml"
_INDEX = """\
# Runbook

Find what you see; each row leads to its sections. `preflight`, `verify`, `drift` and `bench` print the name and the page
of what they found. Rules are explained by `python -m serving rules RULE`. `NS` stands for the models' namespace.

| part | when |
|---|---|
| [Before: preflight](runbook/preflight.md) | `python -m serving preflight ENV` does not say "ready" |
| [up, refresh, destroy](runbook/up-refresh-destroy.md) | `pulumi` ends with an error, or waits |
| [After: objects](runbook/verify.md) | `python -m serving verify ENV` does not say "serves", and names an object |
| [After: requests](runbook/requests.md) | a request fails, for `verify`, `bench` or a client |
| [Alerts](runbook/alerts.md) | Cloud Monitoring, or `python -m serving alerts ENV`, names an alert |
| [Drift](runbook/drift.md) | `python -m serving drift ENV` says "drift" |

## By symptom

| you see | sections |
|---|---|
{symptoms}
## By the words that Pulumi and Google print

| words | section |
|---|---|
{words}
Generated from `serving/*/data/` by `make docs`; change the data there.
"""
_HEADS = {
    "preflight": """\
# Before: preflight

What to do when `python -m serving preflight ENV` does not say "ready". All parts: [Runbook](../runbook.md).

Any check that asks Google may also end with one of these: {asking}.

| check | asks | can name |
|---|---|---|
{before}""",
    "up-refresh-destroy": """\
# up, refresh, destroy

What to do when `pulumi up`, `refresh` or `destroy` ends with an error or waits, found by the words that Pulumi and Google
print. Below each section is where its words are from; those with a test in this repository are what the real engine or
provider prints. All parts: [Runbook](../runbook.md).
""",
    "verify": """\
# After: objects

What to do when `python -m serving verify ENV` does not say "serves" and names an object. What requests end with is on
[its own page](requests.md); all parts: [Runbook](../runbook.md).

Any check may also end with one of these: {reading}.

backends-healthy asks Google on the cloud, as preflight does, and may end with whatever keeps preflight from an answer.

| check | looks at | can name |
|---|---|---|
{quiet}""",
    "requests": """\
# After: requests

What to do when a request fails: for `python -m serving verify ENV`, for `bench`, or for a client. What the cluster's objects
say is on [its own page](verify.md); all parts: [Runbook](../runbook.md).

A check that sends requests may also end with one of these: {connection}.

| check | sends | can name |
|---|---|---|
{traffic}""",
    "alerts": """\
# Alerts

What to do when an alert fires. A page wants somebody now, a ticket on a working day. Each alert leads to one section, here or on
another page; all parts: [Runbook](../runbook.md). How they are set up: [Monitoring](../guide/monitoring.md).

| alert | severity | says | section |
|---|---|---|---|
{alerts}""",
    "drift": """\
# Drift

What to do when `python -m serving drift ENV` says "drift". All parts: [Runbook](../runbook.md).

| finding | what it is |
|---|---|
{drift}""",
}


def render() -> dict[str, str]:
    """The text of every page by its path in the repository."""
    pages = {f"{RUNBOOK}/{part}.md": _page(part) for part in PARTS}
    return {f"{RUNBOOK}.md": _index(), **pages}


def symptoms() -> dict[str, list[str]]:
    """What somebody sees -> the failures that may be behind it, the likely ones first."""
    data: dict[str, list[str]] = yaml.safe_load(_SYMPTOMS.read_text(encoding="utf-8"))
    return data


def _index() -> str:
    seen = "".join(f"| {said} | {_links(names, '')} |\n" for said, names in symptoms().items())
    printed = sorted((words.text, key) for key, failure in load_failures().items() for words in failure.words)
    words = "".join(f"| `{text}` | {_links([key], '')} |\n" for text, key in printed)
    return _INDEX.format(symptoms=seen, words=words)


def _page(part: str) -> str:
    paragraphs = (p for failure in load_failures().values() if failure.part == part for p in _paragraphs(failure))
    return _HEADS[part].format(**_tables(part)) + "".join(f"\n{paragraph}\n" for paragraph in paragraphs)


def _tables(part: str) -> dict[str, str]:
    def row(check: Any, shared: tuple[str, ...]) -> str:
        own = [name for name in check.failures if name not in shared]
        return f"| {check.name} | {check.looks_at} | {_links(own, part)} |\n"

    shared = (*after.KUBERNETES_FAILURES, *CONNECTION_FAILURES, *GOOGLE_FAILURES)
    return {
        "asking": _links([*GOOGLE_FAILURES, *COMMON_FAILURES], part),
        "before": "".join(row(check, GOOGLE_FAILURES) for check in before.checks()),
        "reading": _links([*after.KUBERNETES_FAILURES, "unexpected"], part),
        "connection": _links(CONNECTION_FAILURES, part),
        "quiet": "".join(row(check, shared) for check in after.checks() if not check.traffic),
        "traffic": "".join(row(check, shared) for check in after.checks() if check.traffic),
        "alerts": "".join(
            f"| `{a.id}` | {a.severity} | {a.title} | {_links([a.section.partition('#')[2]], part)} |\n"
            for a in all_alerts()
        ),
        "drift": "".join(f"| {_links([kind], part)} | {load_failures()[kind].looks} |\n" for kind in Kind),
    }


def _links(names: Iterable[str], part: str) -> str:
    """Links from the page of a part; from the index where `part` is empty."""
    return ", ".join(f"[{name}]({_address(load_failures()[name], part)})" for name in dict.fromkeys(names))


def _address(failure: Failure, part: str) -> str:
    page = "" if failure.part == part else f"{failure.part}.md" if part else f"runbook/{failure.part}.md"
    return f"{page}#{failure.id}"


def _paragraphs(failure: Failure) -> Iterator[str]:
    yield f"## {failure.id}"
    if named := leading_to(f"{failure.part}#{failure.id}"):
        yield f"**Alert:** {', '.join(f'`{alert.id}` ({alert.severity})' for alert in named)}."
    yield f"**How it looks:** {failure.looks}"
    if failure.words:
        rows = "\n".join(f"| `{words.text}` | {words.source} |" for words in failure.words)
        yield f"| words | known from |\n|---|---|\n{rows}"
    yield f"**Why:** {failure.why}"
    yield "**What to do:**"
    yield "\n".join(f"{number}. {step}" for number, step in enumerate(failure.do, 1))
    if failure.rules:
        yield f"Rules: {', '.join(failure.rules)}."
