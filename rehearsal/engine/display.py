"""What the engine does, on the screen: a line for each change, and on a terminal also what is under way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.text import Text

_DONE = {
    "create": "created",
    "create-replacement": "created anew",
    "update": "updated",
    "delete": "deleted",
    "delete-replaced": "deleted",
    "replace": "replaced",
}


def duration(seconds: float) -> str:
    """`3.2 s`, `2 min 05 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02} s"


def progress(console: Console) -> Callable[[str], None]:
    """One plain, indented line for each step."""
    return lambda text: console.print(f"  {text}", highlight=False, markup=False)


class Screen:
    """Shows a run of the engine; `on_event` takes its events. `planned`: it is a preview."""

    def __init__(self, console: Console, title: str, *, planned: bool = False) -> None:
        self._console, self._title, self._planned = console, title, planned
        self._began = time.monotonic()
        self._started: dict[str, float] = {}
        self._said: list[tuple[str, str, str]] = []
        self._status: Status | None = None

    @contextmanager
    def showing(self) -> Iterator[Callable[[Any], None]]:
        """Within it a terminal shows what is under way; gives `on_event`."""
        self._console.print(Text(self._title, style="bold"))
        if not self._console.is_terminal:
            yield self.on_event
            return
        with self._console.status("") as self._status:
            yield self.on_event

    def on_event(self, event: Any) -> None:
        """Take an engine event (pulumi.automation.EngineEvent)."""
        if event.resource_pre_event is not None:
            metadata = event.resource_pre_event.metadata
            if _is_shown(metadata):
                self._started[metadata.urn] = time.monotonic()
        elif (ended := event.res_outputs_event or event.res_op_failed_event) is not None:
            self._end(ended.metadata, failed=event.res_op_failed_event is not None)
        elif event.diagnostic_event is not None:
            self._say(event.diagnostic_event)
        if self._status is not None:
            self._status.update(escape(", ".join(map(_name, self._started))))

    def _end(self, metadata: Any, *, failed: bool) -> None:
        if not _is_shown(metadata):
            return
        now, op = time.monotonic(), _op(metadata)
        started = self._started.pop(metadata.urn, now)
        state = "failed" if failed else f"to {op.replace('-', ' ')}" if self._planned else _DONE.get(op, op)
        took = "" if self._planned else f", {duration(now - started)}"
        kind = metadata.type.rsplit(":", 1)[-1]
        progress(self._console)(f"{now - self._began:6.1f} s  {state:<12} {_name(metadata.urn)} ({kind}){took}")

    def _say(self, said: Any) -> None:
        severity, urn, text = said.severity, said.urn or "", said.message.strip()
        told = said.ephemeral or severity not in ("warning", "error", "info#err")
        if told or (severity, urn, text) in self._said:
            return
        self._said.append((severity, urn, text))
        label = severity if severity in ("error", "warning") else "note"
        line = f"  {' '.join(filter(None, (label, _name(urn))))}: {text}"
        self._console.print(Text(line, style="red" if label == "error" else "yellow"))

    def errors(self) -> str:
        """What the engine said of the resources that failed, a line for each."""
        found = [(_name(urn), " ".join(text.split())) for severity, urn, text in self._said if severity == "error"]
        return "\n".join(f"{name}: {text}" for name, text in found if name)


def _is_shown(metadata: Any) -> bool:
    """Neither a component nor left alone."""
    return bool((metadata.new or metadata.old).custom) and _op(metadata) not in ("same", "read", "refresh")


def _op(metadata: Any) -> str:
    return str(getattr(metadata.op, "value", metadata.op))


def _name(urn: str) -> str:
    return urn.rsplit("::", 1)[-1]
