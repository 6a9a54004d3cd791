"""The run on the screen: a live tree on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text
from rich.tree import Tree

from rehearsal.engine.changes import Change, Changes

_STYLES = {"failed": "bold red", "unchanged": "dim"}
_UNDER_WAY = "yellow"


def duration(seconds: float) -> str:
    """`3.2 s`, `2 min 05 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02} s"


def progress(console: Console) -> Callable[[str], None]:
    """One plain, indented line for each step of something that has no tree."""
    return lambda text: console.print(f"  {text}", highlight=False)


class Screen:
    """Shows `Changes` as they come. What the engine says in words is kept and printed above the tree."""

    def __init__(self, console: Console, title: str, *, planned: bool = False) -> None:
        self._console, self._title = console, title
        self._live: Live | None = None
        self.said: list[tuple[str, str, str]] = []
        self.changes = Changes(self._changed, self._message, planned=planned)

    @contextmanager
    def showing(self) -> Iterator[Changes]:
        """Within it the tree is live, where there is a terminal."""
        self._console.print(Text(self._title, style="bold"))
        if not self._console.is_terminal:
            yield self.changes
            return
        live = Live(get_renderable=self.tree, console=self._console, refresh_per_second=4, transient=True)
        with live:
            self._live = live
            try:
                yield self.changes
            finally:
                self._live = None
        self._console.print(self.tree())

    def _changed(self, change: Change) -> None:
        if self._live is None and change.custom and change.seconds is not None and change.op != "same":
            since = time.monotonic() - self.changes.began
            took = "" if change.planned else f", {duration(change.seconds)}"
            self._console.print(
                f"  {since:6.1f} s  {change.state:<12} {change.name} ({change.kind}){took}", highlight=False
            )

    def _message(self, severity: str, urn: str, text: str) -> None:
        if (severity, urn, text) in self.said:
            return
        self.said.append((severity, urn, text))
        name = urn.rsplit("::", 1)[-1] if urn else ""
        label = "error" if severity == "error" else "warning" if severity == "warning" else "note"
        line = Text(f"  {label}{f' {name}' if name else ''}: {text}")
        line.stylize("red" if label == "error" else "yellow")
        self._console.print(line)

    def errors(self) -> str:
        """What the engine said of the resources that failed, a line for each."""
        found = [(urn.rsplit("::", 1)[-1], " ".join(text.split())) for kind, urn, text in self.said if kind == "error"]
        return "\n".join(f"{name}: {text}" for name, text in found if name)

    def tree(self) -> Tree:
        """Components with how far they are; below them only what is under way or has failed."""
        changes = list(self.changes.by_urn.values())
        children: dict[str, list[Change]] = {}
        for change in changes:
            children.setdefault(change.parent, []).append(change)
        tops = [c for c in changes if c.type == "pulumi:pulumi:Stack" or c.parent not in self.changes.by_urn]
        root = Tree(Text(f"{duration(time.monotonic() - self.changes.began)}"), hide_root=not changes)
        for top in tops:
            shown = children.get(top.urn, []) if top.type == "pulumi:pulumi:Stack" else [top]
            for change in shown:
                self._branch(root, change, children)
        return root

    def _branch(self, tree: Tree, change: Change, children: dict[str, list[Change]]) -> None:
        below = list(_descendants(change, children))
        if change.custom:
            if change.seconds is None or change.failed or not tree.hide_root:
                tree.add(_line(change))
            return
        done = sum(1 for c in below if c.seconds is not None and not c.failed)
        label = Text(f"{change.name}  {done}/{len(below)}")
        branch = tree.add(label)
        spent = [c for c in below if c.seconds is not None]
        if done == len(below) and spent:
            end = max(c.started + (c.seconds or 0) for c in spent)
            label.append(f"  {duration(end - min(c.started for c in below))}", style="green")
            return
        for c in below:
            if c.seconds is None or c.failed:
                branch.add(_line(c))


def _descendants(change: Change, children: dict[str, list[Change]]) -> Iterator[Change]:
    for child in children.get(change.urn, []):
        if child.custom:
            yield child
        yield from _descendants(child, children)


def _line(change: Change) -> Text:
    spent = change.seconds if change.seconds is not None else time.monotonic() - change.started
    style = _STYLES.get(change.state, _UNDER_WAY if change.seconds is None else "green")
    return Text.assemble(f"{change.name} {change.kind}  ", (change.state, style), f" {duration(spent)}")
