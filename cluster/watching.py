"""Watching objects of a rehearsal's API server, with resume after whatever ends a watch."""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ResourceNotFoundError

from cluster.client import RETRY_SECONDS, TRANSPORT_ERRORS, KubeObject, list_with_version, path_of

log = logging.getLogger(__name__)

# One watch request lives this long, seconds; the server ends it and the watch resumes where it was.
_WATCH_SECONDS = 240
_GONE = 410


@dataclass(frozen=True)
class Event:
    """One change of an object."""

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    object: KubeObject


def watch(
    client: DynamicClient,
    api_version: str,
    kind: str,
    *,
    stop: threading.Event,
    namespace: str | None = None,
    on_list: Callable[[], None] | None = None,
    **selectors: str,
) -> Iterator[Event]:
    """Every object as ADDED, then every change, until `stop` is set.

    It resumes after a lost connection, lists again when the server no longer has the old events (410), and waits for a
    kind that is not served yet. After a new list, objects that went away meanwhile come as DELETED, unchanged ones not
    at all. `on_list` is called whenever a list has been passed on completely.
    """
    known: dict[tuple[str, str], KubeObject] = {}
    version: str | None = None
    while not stop.is_set():
        try:
            if version is None:
                objects, version = list_with_version(client, api_version, kind, namespace, selectors)
                yield from _differences(known, objects)
                if on_list:
                    on_list()
            path = path_of(client, api_version, kind, namespace)
            for event in _stream(client, path, version, stop, selectors):
                version = event.object["metadata"]["resourceVersion"]
                if event.type in ("ADDED", "MODIFIED", "DELETED"):
                    _remember(known, event)
                    yield event
        except _ExpiredError:
            version = None
        except ResourceNotFoundError:
            version = None
            stop.wait(RETRY_SECONDS)
        except (*TRANSPORT_ERRORS, ApiException, ValueError) as error:
            # A kind whose CRD was deleted answers 404: list again.
            version = None if isinstance(error, ApiException) else version
            if not stop.is_set():
                log.debug("watch of %s %s: %s", api_version, kind, error)
            stop.wait(RETRY_SECONDS)


class _ExpiredError(Exception):
    """The server no longer has the events since the version asked for."""


def _key(item: KubeObject) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _remember(known: dict[tuple[str, str], KubeObject], event: Event) -> None:
    if event.type == "DELETED":
        known.pop(_key(event.object), None)
    else:
        known[_key(event.object)] = event.object


def _differences(known: dict[tuple[str, str], KubeObject], objects: list[KubeObject]) -> Iterator[Event]:
    present = {_key(item): item for item in objects}
    for key, old in list(known.items()):
        if key not in present or present[key]["metadata"]["uid"] != old["metadata"]["uid"]:
            del known[key]
            yield Event("DELETED", old)
    for key, item in present.items():
        before = known.get(key)
        if before is None or before["metadata"]["resourceVersion"] != item["metadata"]["resourceVersion"]:
            known[key] = item
            yield Event("ADDED" if before is None else "MODIFIED", item)


def _stream(
    client: DynamicClient, path: str, version: str, stop: threading.Event, selectors: Mapping[str, str]
) -> Iterator[Any]:
    response = client.request(
        "get",
        path,
        serialize=False,
        watch="true",
        resource_version=version,
        allow_watch_bookmarks="true",
        timeout_seconds=_WATCH_SECONDS,
        _request_timeout=(10, _WATCH_SECONDS + 30),
        **selectors,
    )
    done = threading.Event()
    threading.Thread(target=_close_on_stop, args=(response, stop, done), daemon=True).start()
    try:
        buffer = b""
        for chunk in response.stream(65536):
            *lines, buffer = (buffer + chunk).split(b"\n")
            for line in filter(None, lines):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    if event["object"].get("code") == _GONE:
                        raise _ExpiredError
                    raise ValueError(event["object"].get("message", "watch failed"))
                yield Event(event["type"], event["object"])
                if stop.is_set():
                    return
    finally:
        done.set()
        response.close()


def _close_on_stop(response: Any, stop: threading.Event, done: threading.Event) -> None:
    """End a reader that waits for the next event: only a shut socket wakes it."""
    while not done.is_set():
        if stop.wait(0.5):
            sock = getattr(getattr(response, "connection", None), "sock", None)
            with contextlib.suppress(OSError):
                if sock is not None:
                    sock.shutdown(socket.SHUT_RDWR)
            return


class Store:
    """The objects of one kind, kept up to date by a thread; for controllers that look at everything again on a change.

    `on_change` is called in that thread after each change and after each complete list; it must return at once (set an
    event, put into a queue).
    """

    def __init__(
        self,
        client: DynamicClient,
        api_version: str,
        kind: str,
        *,
        stop: threading.Event,
        on_change: Callable[[], None] | None = None,
        **selectors: str,
    ) -> None:
        self._objects: dict[tuple[str, str], KubeObject] = {}
        self._lock = threading.Lock()
        self._synced = threading.Event()
        self._on_change = on_change or (lambda: None)
        events = watch(client, api_version, kind, stop=stop, on_list=self._listed, **selectors)
        self._thread = threading.Thread(target=self._run, args=(events,), name=f"store-{kind}", daemon=True)
        self._thread.start()

    def _listed(self) -> None:
        self._synced.set()
        self._on_change()

    def _run(self, events: Iterator[Event]) -> None:
        for event in events:
            with self._lock:
                _remember(self._objects, event)
            if self._synced.is_set():
                self._on_change()

    def wait_synced(self, timeout: float | None = None) -> bool:
        """Whether the first complete list has arrived, waiting at most `timeout` seconds."""
        return self._synced.wait(timeout)

    def all(self) -> list[KubeObject]:
        """A copy of every object."""
        with self._lock:
            return copy.deepcopy(list(self._objects.values()))

    def get(self, name: str, namespace: str = "") -> KubeObject | None:
        """A copy of one object."""
        with self._lock:
            return copy.deepcopy(self._objects.get((namespace, name)))
