"""What keeps a question from being answered, by name."""

from __future__ import annotations

_SHOWN = 300


class CannotAskError(Exception):
    """Something could not be asked; `failure` is its section of the runbook, `fix` a command where one is known."""

    def __init__(self, failure: str, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.failure = failure
        self.message = " ".join(message.split())[:_SHOWN]
        self.fix = fix
