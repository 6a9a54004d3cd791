"""The error of a question that could not be asked."""

from __future__ import annotations

from collections.abc import Iterator

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


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and what it came from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
