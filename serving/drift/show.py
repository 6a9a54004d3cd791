"""The report for people: findings object by object, what an `up` does about them, and what nobody looked at."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.markup import escape

from serving.checking.show import cell
from serving.drift.findings import MEANINGS, Action, Finding, Report

_WIDTH = 100
_LABEL = 13
_LONGEST = _WIDTH - _LABEL - 6
_MARK = "..."


def print_text(console: Console, report: Report) -> None:
    """Findings, then what was left out, then the verdict: the last line is the answer."""
    for line in _text(report):
        console.print(line, highlight=False, soft_wrap=True)
    colour = "red" if report.exit_code else "green"
    console.print(f"\n[bold {colour}]{escape(report.line)}[/]", highlight=False, soft_wrap=True)


def render_markdown(report: Report) -> str:
    """The report as the text of an issue or a comment."""
    lines = [f"### Drift of `{report.environment}`: {cell(report.line)}", "", f"Looked at: {report.looked_at}."]
    if report.findings:
        lines += ["", "| object | field | wanted | found | last writer | next up | with refresh |"]
        lines += ["| --- | --- | --- | --- | --- | --- | --- |"]
        lines += [_row(finding) for finding in report.findings]
        lines += ["", *(f"- {action}: {meaning}" for action, meaning in _meanings(report))]
        lines += [f"- Runbook: {', '.join(dict.fromkeys(f.runbook for f in report.findings))}"]
    if report.unasked:
        lines += ["", "Could not ask:", ""]
        lines += [f"- {cell(item.what)}: {item.failure}: {cell(item.message)}" for item in report.unasked]
    left = [*_designed(report), *report.not_looked_at]
    if left:
        lines += ["", "<details><summary>As designed, and not looked at</summary>", ""]
        lines += [*(f"- {cell(text)}" for text in left), "", "</details>"]
    return "\n".join(lines) + "\n"


def _text(report: Report) -> Iterator[str]:
    yield escape(f"Looked at: {report.where}")
    yield escape(f"           {report.looked_at}")
    for name, findings in groupby(report.findings, key=lambda finding: finding.object):
        yield f"\n[bold]{escape(name)}[/]"
        for finding in findings:
            yield from _finding(finding)
    if report.findings:
        yield "\nWhat the next `pulumi up` does"
        for action, meaning in _meanings(report):
            yield from _wrapped(f"{action:<{_LABEL}}{meaning}", _LABEL)
        for runbook in dict.fromkeys(finding.runbook for finding in report.findings):
            yield escape(f"  {'runbook':<{_LABEL}}{runbook}")
    asked = [f"{item.what}: {item.failure}: {item.message}" for item in report.unasked]
    for heading, texts in (
        ("Could not ask", asked),
        ("As designed, no drift", list(_designed(report))),
        ("Not looked at", report.not_looked_at),
    ):
        if texts:
            yield f"\n{heading}"
        for text in texts:
            yield from _wrapped(text, 2)


def _wrapped(text: str, hanging: int) -> Iterator[str]:
    """Prose below a heading, with its further lines indented by so much more."""
    lines = textwrap.wrap(
        text, _WIDTH, initial_indent="  ", subsequent_indent=" " * (2 + hanging), break_long_words=False
    )
    yield from map(escape, lines)


def _finding(finding: Finding) -> Iterator[str]:
    kind = f"[yellow]{finding.kind}[/]"
    yield f"  {escape(finding.place)}  {kind}" if finding.path else f"  {kind}"
    if finding.path:
        wanted, found = _both(finding.wanted, finding.found)
        yield _labelled("wanted", wanted)
        yield _labelled("found", found)
    yield _labelled("last writer", _writer(finding))
    yield _labelled("next up", _next(finding))
    if finding.message:
        yield _labelled("", finding.message)


def _labelled(label: str, text: str) -> str:
    return escape(f"    {label:<{_LABEL}}{text}")


def _writer(finding: Finding) -> str:
    writer = finding.writer
    if writer is None:
        return "nobody: not in the managed fields"
    when = f", {writer.time}" if writer.time else ""
    return f"{writer.manager} ({writer.operation}){when}"


def _next(finding: Finding) -> str:
    if finding.next_up is finding.refreshed:
        return finding.next_up
    return f"{finding.next_up}; with --refresh: {finding.refreshed}"


def _meanings(report: Report) -> Iterator[tuple[Action, str]]:
    used = {action for finding in report.findings for action in (finding.next_up, finding.refreshed)}
    yield from ((action, meaning) for action, meaning in MEANINGS.items() if action in used)


def _designed(report: Report) -> Iterator[str]:
    for (manager, why), count in Counter((item.manager, item.why) for item in report.designed).items():
        yield f"{count} field{'' if count == 1 else 's'} of {manager}: {why}"


def _row(finding: Finding) -> str:
    wanted, found = _both(finding.wanted, finding.found) if finding.path else ("", str(finding.kind))
    place = f"`{finding.place}`" if finding.path else ""
    cells = (cell(finding.object), place, cell(wanted), cell(found), cell(_writer(finding)))
    return f"| {' | '.join(cells)} | {finding.next_up} | {finding.refreshed} |"


def _both(wanted: Any, found: Any) -> tuple[str, str]:
    """Two values, each on one line; of long ones the part from shortly before where they part."""
    texts = (_one_line(wanted), _one_line(found))
    if max(map(len, texts)) <= _LONGEST:
        return texts
    parting = next((n for n, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), min(map(len, texts)))
    start = max(0, parting - _LONGEST // 4)
    return _cut(texts[0], start), _cut(texts[1], start)


def _one_line(value: Any) -> str:
    if value is None:
        return "not there"
    if isinstance(value, str) and value and value == " ".join(value.split()):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _cut(text: str, start: int) -> str:
    part = (_MARK if start else "") + text[start:]
    return part if len(part) <= _LONGEST else part[: _LONGEST - len(_MARK)] + _MARK
