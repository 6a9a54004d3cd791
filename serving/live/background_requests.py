"""Requests from several clients, one after the other without a retry, and for how long nobody was answered."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from serving.live.request_errors import RequestError

_CLIENTS = 4
# Between an answer and a client's next request, seconds.
_PAUSE = 0.05


@dataclass(frozen=True)
class RequestEnd:
    """A request's end, in seconds of a clock that only grows; `failure` is empty where it was answered."""

    ended: float
    failure: str = ""


def seconds_without_answer(asked: Iterable[RequestEnd]) -> float:
    """The time between the last answer before a failure and the first one after it, over all failures.

    A request that fails while others are answered costs next to none; failures before the first or after the last answer
    count from the first and to the last request.
    """
    lost, failing, last = 0.0, False, None
    for one in sorted(asked, key=lambda each: each.ended):
        last = one.ended if last is None else last
        if one.failure:
            failing, end = True, one.ended
            continue
        lost += one.ended - last if failing else 0.0
        failing, last = False, one.ended
    return lost + (end - last if failing and last is not None else 0.0)


class BackgroundRequests:
    """Clients that ask within the block. `ask` sends one request, or raises RequestError."""

    def __init__(self, ask: Callable[[], object]) -> None:
        self._ask, self._over = ask, threading.Event()
        self.asked: list[RequestEnd] = []
        self._clients = [threading.Thread(target=self._run, daemon=True) for _ in range(_CLIENTS)]

    def __enter__(self) -> Self:
        for client in self._clients:
            client.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        for client in self._clients:
            client.join()

    def _run(self) -> None:
        while not self._over.wait(_PAUSE):
            failure = ""
            try:
                self._ask()
            except RequestError as error:
                failure = error.failure
            self.asked.append(RequestEnd(time.monotonic(), failure))

    def answered(self) -> int:
        """Requests that were answered so far."""
        return sum(not one.failure for one in self.asked)

    def failures(self) -> Counter[str]:
        """Requests that were not, by the name of what was wrong."""
        return Counter(one.failure for one in self.asked if one.failure)
