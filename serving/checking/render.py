"""Reports for people: on a terminal, and as Markdown for a pull request or an issue."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from serving.checking.findings import Check, Finding, Outcome, Report, Verdict
from serving.refusals import labelled

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_WIDEST = 100
_LONGEST_SEEN = 60
_COLOURS = {Verdict.PASS: "green", Verdict.WARN: "yellow", Verdict.UNKNOWN: "magenta", Verdict.FAIL: "red"}


def print_report(console: Console, report: Report) -> None:
    """A table of the checks, everything about what is no pass, and the verdict: the last line is the answer.

    Fitted to the terminal, at most 100 columns; a command to paste stays on one line.
    """
    from rich.text import Text  # no markup: a message may hold a bracket behind a backslash

    console.width = width = min(console.width, _WIDEST)
    console.print(f"{report.environment}: {report.where}", highlight=False, markup=False, soft_wrap=True)
    for row in _table(report, width):
        console.print(row, highlight=False, soft_wrap=True)
    for group in report.groups:
        console.print()
        for title, verdict, lines in _parts(group):
            head = Text.assemble((verdict.words, f"bold {_COLOURS[verdict]}"), f" {title}")
            console.print(head, highlight=False, soft_wrap=True)
            for label, text in lines:
                first, *pasted = text.split("\n")
                for line in labelled(f"{label}:", first, width, pasted):
                    console.print(line, highlight=False, markup=False, soft_wrap=True)
    for heading, texts in report.notes:
        console.print(f"\n{heading}", highlight=False, markup=False)
        for text in texts:
            wrapped = textwrap.wrap(text, width, initial_indent="  - ", subsequent_indent="    ")
            console.print("\n".join(wrapped), highlight=False, markup=False, soft_wrap=True)
    console.print()
    console.print(Text(report.line, f"bold {_COLOURS[report.verdict]}"), highlight=False, soft_wrap=True)


def render_markdown(report: Report) -> str:
    """The report as the text of an issue or a comment."""
    lines = [f"### `{report.environment}`: {cell(report.line)}", "", f"Looked at: {cell(report.where)}.", ""]
    for title, verdict, said in (part for group in report.groups for part in _parts(group)):
        lines += [f"**{verdict.words}** {cell(title)}", ""]
        for label, text in said:
            first, *pasted = text.split("\n")
            shown = first if label == "Runbook" else cell(first)
            lines += [f"- {label}: {shown}", *(["", *(f"      {line}" for line in pasted), ""] if pasted else [])]
        lines += [""] if said else []
    rows = [f"| {o.check.name} | {o.verdict.words} | {cell(_seen(o))} |" for o in report.outcomes]
    lines += folded("every check", ["| check | verdict | seen |", "| --- | --- | --- |", *rows])
    for heading, texts in report.notes:
        lines += ["", *folded(heading, [f"- {cell(text)}" for text in texts])]
    return "\n".join(lines) + "\n"


def caution(lines: Iterable[str]) -> list[str]:
    """A callout in Markdown that nobody misses."""
    return ["> [!CAUTION]", *(f"> {line}" for line in lines)]


def folded(summary: str, lines: Iterable[str]) -> list[str]:
    """Lines in Markdown that are shown when somebody opens them."""
    return [f"<details><summary>{summary}</summary>", "", *lines, "", "</details>"]


def cell(text: str) -> str:
    """Text as it is in Markdown: nothing in a file of settings becomes markup, a mention or a link."""
    for character in "\\`*_[]|#":
        text = text.replace(character, f"\\{character}")
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    # A zero-width space keeps a name from being notified and an address from being linked.
    return " ".join(text.split()).replace("@", "@\u200b").replace("://", ":\u200b//")


def _table(report: Report, width: int) -> Iterator[Text]:
    """Lines of a table; what was seen goes over several lines, and no word is broken."""
    from rich.text import Text

    names = max(len("check"), *(len(outcome.check.name) for outcome in report.outcomes))
    words = max(len(verdict.words) for verdict in Verdict)
    margin = names + 2 + words + 2 + len("seconds") + 2
    yield Text(f"{'check':<{names}}  {'verdict':<{words}}  seconds  seen", "bold")
    for outcome in report.outcomes:
        first, *rest = textwrap.wrap(
            _seen(outcome), width - margin, break_long_words=False, break_on_hyphens=False
        ) or [""]
        word = f"{outcome.verdict.words:<{words}}", _COLOURS[outcome.verdict]
        line = Text.assemble(f"{outcome.check.name:<{names}}  ", word, f"  {outcome.seconds:>7.1f}  {first}")
        line.rstrip()
        yield line
        yield from (Text(" " * margin + further) for further in rest)


def _seen(outcome: Outcome) -> str:
    """The failure's name, and of how many findings it is said; or what the objects say."""
    worst, count = outcome.worst, len(outcome.findings)
    if worst.failure:
        same = sum(finding.verdict is worst.verdict for finding in outcome.findings)
        return worst.failure + (f" ({same} of {count})" if count > 1 else "")
    said = "; ".join(dict.fromkeys(filter(None, (finding.message for finding in outcome.findings))))
    return said if (said and len(said) <= _LONGEST_SEEN) or count == 1 else f"{count} objects"


def _parts(group: Sequence[tuple[Finding, list[Check]]]) -> Iterator[tuple[str, Verdict, list[tuple[str, str]]]]:
    """Title and lines of each finding of a group; what they have in common only below the last one."""
    seen = [[(label, text) for label, text in finding.seen() if text] for finding, _ in group]
    last, alike = len(group) - 1, all(lines == seen[0] for lines in seen)
    checks = [check for _, checks in group for check in checks]
    for index, (finding, own) in enumerate(group):
        lines = [] if alike and index < last else seen[index]
        if index == last:
            lines = [*lines, *finding.advice(), *_notes(finding, checks)]
        yield f"{', '.join(check.name for check in own)}: {finding.object}", finding.verdict, lines


def _notes(finding: Finding, checks: Iterable[Check]) -> Iterator[tuple[str, str]]:
    if finding.verdict is not Verdict.UNKNOWN:
        for unsure in dict.fromkeys(check.unverified for check in checks if check.unverified):
            yield "Unsure", unsure
    if finding.known is not None:
        yield "Runbook", finding.known.anchor
