"""What a pod tells the API server: its status as it changes, Events, annotations."""

from __future__ import annotations

import asyncio
import copy
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from kubernetes.client.exceptions import ApiException

from rehearsal.kubelet.api import ERRORS, Api
from rehearsal.kubelet.status import PodRecord

log = logging.getLogger(__name__)

Json = dict[str, Any]

# The same event of a pod is recorded again after this time only, seconds.
_EVENT_PAUSE = 60.0
_RETRY_SECONDS = 1.0


class Reporter:
    """Writes for one pod. `gone` is True once the server no longer has the pod."""

    def __init__(self, record: PodRecord, api: Api) -> None:
        self.gone = False
        self._record = record
        self._api = api
        self._dirty = asyncio.Event()
        self._written: Json = {}
        self._annotations: dict[str, str] = {}
        self._events: dict[tuple[str, str], float] = {}
        self._sending: set[asyncio.Task[None]] = set()
        metadata = record.pod["metadata"]
        self.name = f"{metadata['namespace']}/{metadata['name']}"

    def changed(self) -> None:
        """The record changed: the status is written soon."""
        self._dirty.set()

    async def run(self) -> None:
        """Write the status whenever it changed, until cancelled."""
        while True:
            await self._dirty.wait()
            await self.flush()

    async def flush(self) -> None:
        """Write the status now, if it differs from what was written."""
        self._dirty.clear()
        status = copy.deepcopy(self._record.as_status())
        if status != self._written:
            await self._until_taken(lambda: self._api.write_status(self._record.pod, status))
            self._written = status

    async def annotate(self, annotations: dict[str, str]) -> None:
        """Set annotations; nothing where they are so already."""
        if annotations.items() <= self._annotations.items():
            return
        await self._until_taken(lambda: self._api.annotate(self._record.pod, annotations))
        self._annotations |= annotations

    async def remove(self) -> None:
        """Delete the pod object."""
        await self._until_taken(lambda: self._api.remove_pod(self._record.pod))
        self.gone = True

    def event(self, kind: str, reason: str, message: str) -> None:
        """Record an Event, the same one at most once a minute."""
        key, present = (reason, message), time.monotonic()
        if present - self._events.get(key, -_EVENT_PAUSE) < _EVENT_PAUSE:
            return
        self._events[key] = present
        log.info("%s: %s: %s", self.name, reason, message)
        task = asyncio.create_task(self._api.event(self._record.pod, kind, reason, message))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _until_taken(self, request: Callable[[], Awaitable[bool]]) -> None:
        """Repeat a request until the server has taken it, or has no such pod."""
        while not self.gone:
            try:
                self.gone = not await request()
                return
            except ApiException as error:
                log.warning("%s: the API server refuses: %s %s", self.name, error.status, error.reason)
            except ERRORS as error:
                log.debug("%s: %s", self.name, error)
            await asyncio.sleep(_RETRY_SECONDS)
