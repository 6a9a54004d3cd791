"""What the engine says while it works, folded into the state of each resource."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

DOING = {
    "create": "creating",
    "create-replacement": "creating",
    "update": "updating",
    "delete": "deleting",
    "delete-replaced": "deleting",
    "read": "reading",
    "refresh": "reading",
    "replace": "replacing",
}
DONE = {
    "create": "created",
    "create-replacement": "created anew",
    "update": "updated",
    "delete": "deleted",
    "delete-replaced": "deleted",
    "read": "read",
    "refresh": "read",
    "replace": "replaced",
    "same": "unchanged",
}


@dataclass
class Change:
    """One resource in this run. `seconds` is None while the step is under way."""

    urn: str
    type: str
    parent: str
    op: str
    custom: bool
    started: float
    seconds: float | None = None
    failed: bool = False
    planned: bool = False

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        return self.urn.rsplit("::", 1)[-1]

    @property
    def kind(self) -> str:
        """`kubernetes:core/v1:Secret` -> `Secret`."""
        return self.type.rsplit(":", 1)[-1]

    @property
    def state(self) -> str:
        """In words."""
        if self.failed:
            return "failed"
        if self.planned and self.op != "same":
            return f"to {self.op.replace('-', ' ')}"
        return DOING.get(self.op, self.op) if self.seconds is None else DONE.get(self.op, self.op)


@dataclass
class Changes:
    """The run as far as it has come. `listener` hears of each step that begins or ends, `message` of what was said;
    `planned` where the run is a preview."""

    listener: Callable[[Change], None] = lambda _: None
    message: Callable[[str, str, str], None] = lambda *_: None
    clock: Callable[[], float] = time.monotonic
    planned: bool = False
    by_urn: dict[str, Change] = field(default_factory=dict)
    summary: dict[str, int] = field(default_factory=dict)
    began: float = 0.0

    def __post_init__(self) -> None:
        self.began = self.clock()

    def on_event(self, event: Any) -> None:
        """Take an engine event (pulumi.automation.EngineEvent)."""
        if event.resource_pre_event is not None:
            self._begin(event.resource_pre_event.metadata)
        elif event.res_outputs_event is not None:
            self._end(event.res_outputs_event.metadata, failed=False)
        elif event.res_op_failed_event is not None:
            self._end(event.res_op_failed_event.metadata, failed=True)
        elif event.diagnostic_event is not None and not event.diagnostic_event.ephemeral:
            said = event.diagnostic_event
            if said.severity in ("warning", "error", "info#err"):
                self.message(said.severity, said.urn or "", said.message.strip())
        elif event.summary_event is not None:
            self.summary = {str(getattr(op, "value", op)): n for op, n in event.summary_event.resource_changes.items()}

    def _begin(self, metadata: Any) -> None:
        state = metadata.new or metadata.old
        change = Change(
            metadata.urn,
            metadata.type,
            state.parent if state else "",
            str(getattr(metadata.op, "value", metadata.op)),
            bool(state and state.custom),
            self.clock(),
            planned=self.planned,
        )
        self.by_urn[metadata.urn] = change
        self.listener(change)

    def _end(self, metadata: Any, *, failed: bool) -> None:
        change = self.by_urn.get(metadata.urn)
        if change is None:
            self._begin(metadata)
            change = self.by_urn[metadata.urn]
        change.seconds = self.clock() - change.started
        change.failed = change.failed or failed
        self.listener(change)

    def real(self) -> Iterator[Change]:
        """Without components and the stack itself."""
        return (change for change in self.by_urn.values() if change.custom)

    def counts(self) -> dict[str, int]:
        """How many real resources are in which state, in words."""
        counted: dict[str, int] = {}
        for change in self.real():
            counted[change.state] = counted.get(change.state, 0) + 1
        return counted
