"""docs/runbook.md, made from the failures and from what can name them: preflight, verify, and drift."""

from __future__ import annotations

from collections.abc import Iterable

from serving.checking.ask import ANY
from serving.checking.failures import Failure, load_failures
from serving.drift.findings import Kind
from serving.google.errors import ASKING
from serving.preflight import registry as before
from serving.verify import registry as after
from serving.verify.checks.traffic import CONNECTION

_BEGINNING = """\
# Runbook

What to do when `python -m serving preflight ENV` does not say "ready", `python -m serving verify ENV` does not say
"serves", or `python -m serving drift ENV` says "drift". They print the name of each finding; here is one section for each.
Rules are explained by `python -m serving rules RULE`. `NS` stands for the models' namespace.

Generated from `serving/preflight/`, `serving/verify/` and `serving/drift/` by `make docs`; change the data there.

## Checks before: preflight

Any check that asks Google may also end with one of these: {asking}.

| check | asks | can name |
|---|---|---|
{before}
## Checks after: verify

Any check may also end with one of these: {reading}.

A check that sends requests may also end with one of these: {connection}.

backends-healthy asks Google on the cloud, as preflight does, and may end with whatever keeps preflight from an answer.

| check | looks at | sends requests | can name |
|---|---|---|---|
{after}
## Drift

| finding | what it is |
|---|---|
{drift}
## Sections
"""


def render() -> str:
    """The whole document."""
    beginning = _BEGINNING.format(
        asking=_links([*ASKING, *ANY]),
        before="".join(
            f"| {check.name} | {check.looks_at} | {_links(_own(check.failures, ASKING))} |\n"
            for check in before.checks()
        ),
        reading=_links([*after.READING, "unexpected"]),
        connection=_links(CONNECTION),
        after="".join(
            f"| {check.name} | {check.looks_at} | {'yes' if check.traffic else 'no'} | "
            f"{_links(_own(check.failures, (*after.READING, *CONNECTION, *ASKING)))} |\n"
            for check in after.checks()
        ),
        drift="".join(f"| {_links([kind])} | {load_failures()[kind].looks} |\n" for kind in Kind),
    )
    return beginning + "".join(_section(failure) for failure in load_failures().values())


def _own(names: Iterable[str], shared: Iterable[str]) -> list[str]:
    """Without those that are said of all checks."""
    return [name for name in names if name not in tuple(shared)]


def _links(names: Iterable[str]) -> str:
    return ", ".join(f"[{name}](#{name})" for name in dict.fromkeys(names))


def _section(failure: Failure) -> str:
    steps = "".join(f"{number}. {step}\n" for number, step in enumerate(failure.do, 1))
    rules = f"\nRules: {', '.join(failure.rules)}.\n" if failure.rules else ""
    return (
        f"\n### {failure.id}\n\n**How it looks:** {failure.looks}\n\n**Why:** {failure.why}\n\n"
        f"**What to do:**\n\n{steps}{rules}"
    )
