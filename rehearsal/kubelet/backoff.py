"""The kubelet's restart back-off: at once, then 10 s, 20 s ... 300 s, forgotten after a long quiet time."""

from __future__ import annotations

from dataclasses import dataclass

INITIAL_SECONDS = 10.0
MAXIMUM_SECONDS = 300.0


@dataclass
class BackOff:
    """Back-off of one container. All times in seconds; `scale` shortens them for a rehearsal.

    Source: kubernetes v1.36 pkg/kubelet/kubelet.go (initialCrashLoopBackOff, MaxCrashLoopBackOff) and
    client-go util/flowcontrol/backoff.go: the first restart waits for nothing, the entry expires after twice the maximum.
    """

    scale: float
    _delay: float = 0.0
    _last: float | None = None

    def next_delay(self, finished_at: float) -> float:
        """Seconds to wait before the restart of a container that ended at `finished_at`."""
        expired = self._last is not None and finished_at - self._last > 2 * MAXIMUM_SECONDS * self.scale
        if self._last is None or expired:
            wait, self._delay = 0.0, INITIAL_SECONDS
        else:
            wait = self._delay
            self._delay = min(self._delay * 2, MAXIMUM_SECONDS)
        self._last = finished_at + wait * self.scale
        return wait * self.scale
