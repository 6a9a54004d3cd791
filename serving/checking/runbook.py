"""docs/runbook.md, made from the failures and from what can name them: the checks of verify, and drift."""

from __future__ import annotations

from collections.abc import Iterable

from serving.checking.failures import Failure, load_failures
from serving.drift.findings import Kind
from serving.verify.checks.traffic import CONNECTION
from serving.verify.registry import READING, checks

_BEGINNING = """\
# Runbook

What to do when `python -m serving verify ENV` does not say "serves", or `python -m serving drift ENV` says "drift". Both
print the name of each finding; here is one section for each. Rules are explained by `python -m serving rules RULE`. `NS`
stands for the models' namespace.

Generated from `serving/verify/` and `serving/drift/` by `make docs`; change the data there.

## Checks

Any check may also end with one of these: {reading}.

A check that sends requests may also end with one of these: {connection}.

| check | looks at | sends requests | can name |
|---|---|---|---|
"""

_DRIFT = """
## Drift

| finding | what it is |
|---|---|
"""


def render() -> str:
    """The whole document."""
    rows = []
    for check in checks():
        named = _links(name for name in check.failures if name not in (*READING, *CONNECTION))
        rows.append(f"| {check.name} | {check.looks_at} | {'yes' if check.traffic else 'no'} | {named} |\n")
    drift = "".join(f"| {_links([kind])} | {load_failures()[kind].looks} |\n" for kind in Kind)
    sections = "".join(_section(failure) for failure in load_failures().values())
    beginning = _BEGINNING.format(reading=_links([*READING, "unexpected"]), connection=_links(CONNECTION))
    return beginning + "".join(rows) + _DRIFT + drift + "\n## Sections\n" + sections


def _links(names: Iterable[str]) -> str:
    return ", ".join(f"[{name}](#{name})" for name in dict.fromkeys(names))


def _section(failure: Failure) -> str:
    steps = "".join(f"{number}. {step}\n" for number, step in enumerate(failure.do, 1))
    rules = f"\nRules: {', '.join(failure.rules)}.\n" if failure.rules else ""
    return (
        f"\n### {failure.id}\n\n**How it looks:** {failure.looks}\n\n**Why:** {failure.why}\n\n"
        f"**What to do:**\n\n{steps}{rules}"
    )
