"""The error of a question that could not be asked."""

from __future__ import annotations

_SHOWN = 300


class CannotAskError(Exception):
    """Something could not be asked, or gave no answer.

    Args:
        failure: its section of the runbook.
        fix: a command that helps, where one is known.
        status: the HTTP status of the answer, where there was one.
    """

    def __init__(self, failure: str, message: str, fix: str = "", *, status: int | None = None) -> None:
        super().__init__(message)
        self.failure = failure
        self.message = " ".join(message.split())[:_SHOWN]
        self.fix = fix
        self.status = status
