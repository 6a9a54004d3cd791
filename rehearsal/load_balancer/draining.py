"""Endpoints that left a backend: until when they may finish what they began."""

from __future__ import annotations

from collections.abc import Iterable

from rehearsal.control_plane.services import Address
from rehearsal.load_balancer.model import Backend


class Draining:
    """Remembers when each endpoint's time is up. One that serves several backends has the longest of their times."""

    def __init__(self) -> None:
        self._seconds: dict[Address, float] = {}
        self._ends: dict[Address, float] = {}

    def update(self, backends: Iterable[Backend], now: float) -> None:
        """These are the backends from `now` on (monotonic seconds); what is no longer in one of them has begun to leave."""
        seconds: dict[Address, float] = {}
        for backend in backends:
            for endpoint in backend.endpoints:
                seconds[endpoint.address] = max(seconds.get(endpoint.address, 0.0), backend.draining)
        for address in self._seconds.keys() - seconds.keys():
            self._ends[address] = now + self._seconds[address]
        for address in seconds:
            self._ends.pop(address, None)
        self._seconds = seconds

    def over(self, now: float) -> set[Address]:
        """The endpoints whose time is up since the last question."""
        found = {address for address, end in self._ends.items() if end <= now}
        for address in found:
            del self._ends[address]
        return found
