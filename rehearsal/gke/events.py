"""Events as GKE's controllers write them."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import cluster as kube


def now() -> str:
    """The time in the API's form."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Events:
    """What a component says about objects; what it said last about one is not repeated."""

    def __init__(self, client: kube.DynamicClient, component: str) -> None:
        self._client, self._component = client, component
        self._said: dict[tuple[str, str], str] = {}

    def say(self, obj: Mapping[str, Any], kind: str, reason: str, message: str) -> None:
        """`kind` is Normal or Warning."""
        metadata, stamp = obj["metadata"], now()
        if self._said.get((metadata["uid"], reason)) == message:
            return
        self._said[metadata["uid"], reason] = message
        name, namespace, uid = (metadata[key] for key in ("name", "namespace", "uid"))
        # The name comes from the text, so that a restarted process finds its own event.
        digest = hashlib.sha256(f"{uid}{reason}{message}".encode()).hexdigest()[:16]
        about = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "name": name, "namespace": namespace, "uid": uid}
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{name[:200]}.{digest}", "namespace": namespace},
            "involvedObject": about,
            "type": kind,
            "reason": reason,
            "message": message[:1024],
            "source": {"component": self._component},
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
        }
        with contextlib.suppress(kube.ApiException):  # the namespace is being deleted: nobody will read it
            kube.apply(self._client, event, manager=self._component)
