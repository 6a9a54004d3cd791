"""`serving rules`: what is rejected, warned about, or rejected unless overridden; and everything about one rule."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serving.commands.options import Format, FormatOption, print_json

if TYPE_CHECKING:
    from catalog.rules import Rule

_PLACES = {
    "settings": "the environment file, before anything else",
    "objects": "the rendered objects, in plan and before every up",
    "policy": "the policy pack, for the resources of any stack",
}


def rules(
    rule: Annotated[str | None, typer.Argument(metavar="RULE", help="Id of a rule, for example GW01.")] = None,
    output: FormatOption = Format.TEXT,
) -> None:
    """List the rules, or print one in full.

    Levels: R is rejected, W is a warning, O is rejected unless overridden with reason and expiry date.

    Examples:

        python -m serving rules

        python -m serving rules GW01

        python -m serving rules --format json
    """
    from catalog.rules import find_rule, load_rules

    if rule is None:
        listed = list(load_rules().values())
        if output is Format.JSON:
            print_json({"rules": [as_json(entry) for entry in listed]})
        else:
            _print(_table(listed))
        return
    found = find_rule(rule.strip().upper())
    if found is None:
        typer.secho(_unknown(rule, list(load_rules())), fg="red", err=True)
        raise typer.Exit(2)
    if output is Format.JSON:
        print_json(as_json(found))
    else:
        _print(_everything(found))


def _unknown(key: str, known: list[str]) -> str:
    import difflib

    near = difflib.get_close_matches(key.upper(), known, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"There is no rule {key}.{hint} All of them: python -m serving rules"


def as_json(rule: Rule) -> dict[str, Any]:
    """A rule with every key always there."""
    return {
        "id": rule.id,
        "level": rule.level,
        "title": rule.title,
        "consequence": rule.consequence,
        "fix": rule.fix,
        "sources": [
            {"what": s.what, "url": s.url or None, "date": s.date or None, "read": s.read or None} for s in rule.sources
        ],
        "fieldIssues": list(rule.field_issues),
        "enforced": list(rule.enforced),
        "verified": rule.verified,
        "unverified": rule.unverified or None,
    }


def _table(listed: list[Rule]) -> Iterator[str]:
    from catalog.rules import LEVELS
    from serving.refusals import text_width

    yield "rule  level  what must hold"
    for rule in listed:
        yield from textwrap.wrap(
            f"{rule.id}  {rule.level}      {rule.title}",
            text_width(),
            subsequent_indent=" " * 13,
            break_long_words=False,
        )
    yield ""
    yield ", ".join(f"{level}: {meaning}" for level, meaning in LEVELS.items())


def _everything(rule: Rule) -> Iterator[str]:
    from catalog.rules import LEVELS
    from serving.refusals import labelled, text_width

    width = text_width()
    yield f"{typer.style(rule.id, bold=True)}  {rule.title}"
    yield ""
    yield from labelled("Level:", f"{rule.level}, {LEVELS[rule.level]}", width)
    yield from labelled("Else:", rule.consequence, width)
    lines = rule.fix.split("\n")
    if len(lines) == 1 and rule.fix.endswith("."):
        yield from labelled("Fix:", rule.fix, width)
        lines = []
    for index, line in enumerate(lines):
        yield " " * 8 + ("Fix:" if index == 0 else "").ljust(9) + line  # to be pasted, so as it is
    for index, source in enumerate(rule.sources):
        pasted = [source.url] if source.url else []
        yield from labelled("Source:" if index == 0 else "", str(source), width, pasted)
    if rule.field_issues:
        issues = ", ".join(f"issue {number}" for number in rule.field_issues)
        yield from labelled("Seen:", f"in a deployment by hand, {issues}: tests/field_report/", width)
    if rule.unverified:
        yield from labelled("Open:", f"Not verified: {rule.unverified}", width)
    for index, place in enumerate(rule.enforced):
        yield from labelled("Where:" if index == 0 else "", _PLACES[place], width)
    if "settings" not in rule.enforced:
        yield from labelled("", "an environment file has no key for it", width)
    if rule.level == "O":
        override = [
            "tpu-serving:overrides:",
            f"  - {{rule: {rule.id}, reason: why this is acceptable, until: YYYY-MM-DD}}",
        ]
        yield from labelled(
            "Waive:", "in the environment file below config:, with reason and expiry date", width, override
        )


def _print(lines: Iterator[str]) -> None:
    for line in lines:
        typer.echo(line.rstrip())
