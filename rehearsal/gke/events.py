"""Events as GKE's controllers write them, each said once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import cluster as kube


def now() -> str:
    """The time in the API's form."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Events:
    """Writes what a component says about objects; what it said last about an object is not repeated."""

    def __init__(self, client: kube.DynamicClient, component: str) -> None:
        self._client = client
        self._component = component
        self._said: dict[tuple[str, str], str] = {}

    def say(self, obj: Mapping[str, Any], kind: str, reason: str, message: str) -> None:
        """`kind` is Normal or Warning."""
        metadata = obj["metadata"]
        key = metadata["uid"], reason
        if self._said.get(key) == message:
            return
        self._said[key] = message
        # The name comes from the text, so a restarted process finds its own event.
        digest = hashlib.sha256(f"{metadata['uid']}{reason}{message}".encode()).hexdigest()[:16]
        namespace, stamp = metadata.get("namespace", "default"), now()
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{metadata['name'][:200]}.{digest}", "namespace": namespace},
            "involvedObject": {
                "apiVersion": obj["apiVersion"],
                "kind": obj["kind"],
                "name": metadata["name"],
                "namespace": metadata.get("namespace", ""),
                "uid": metadata["uid"],
            },
            "type": kind,
            "reason": reason,
            "message": message[:1024],
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": "",
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
        }
        try:
            kube.apply(self._client, event, manager=self._component)
        except kube.ApiException:
            # The namespace is being deleted: nobody will read it.
            return
