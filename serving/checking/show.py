"""What the reports for people have in common."""

from __future__ import annotations

from collections.abc import Iterable

from rich.markup import escape

from serving.checking.results import AnyCheck, AnyResult, Outcome


def named(outcome: Outcome[AnyCheck, AnyResult]) -> str:
    """The failure's name, and of how many results it is said; "" where nothing is wrong."""
    worst, count = outcome.worst, len(outcome.results)
    same = sum(result.verdict is worst.verdict for result in outcome.results)
    return worst.failure + (f" ({same} of {count})" if worst.failure and count > 1 else "")


def heading(result: AnyResult, checks: Iterable[AnyCheck]) -> str:
    """The line above everything about a result that is no pass, after an empty one."""
    names = ", ".join(check.name for check in checks)
    return f"\n[bold {result.verdict.colour}]{result.verdict.words}[/] {escape(f'{names}: {result.object}')}"


def cell(text: str) -> str:
    """Text as it is in Markdown: nothing in a file of settings becomes markup, a mention or a link."""
    for character in "\\`*_[]|#":
        text = text.replace(character, f"\\{character}")
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    # A zero-width space keeps a name from being notified and an address from being linked.
    return " ".join(text.split()).replace("@", "@\u200b").replace("://", ":\u200b//")
