"""The nodes that this kubelet acts for: Leases and the Ready condition."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from rehearsal.kubelet.api import ERRORS, Api
from rehearsal.kubelet.records import HOST_IP
from rehearsal.kubelet.status import now

log = logging.getLogger(__name__)

Json = dict[str, Any]

NODE_LABEL = "rehearsal.tpu-serving/node"
# Kubelet's defaults: nodeLeaseDurationSeconds 40, renewed every quarter of it.
RENEW_SECONDS = 10.0

_CONDITIONS = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)


def node_status(node: Json) -> Json:
    """The kubelet's part of a node's status; capacity comes from who made the node."""
    written = {c["type"]: c for c in (node.get("status") or {}).get("conditions") or []}
    conditions = []
    for kind, status, reason, message in _CONDITIONS:
        old = written.get(kind) or {}
        since = old.get("lastTransitionTime") if old.get("status") == status else None
        conditions.append(
            {
                "type": kind,
                "status": status,
                "reason": reason,
                "message": message,
                "lastHeartbeatTime": now(),
                "lastTransitionTime": since or now(),
            }
        )
    addresses = [
        {"type": "InternalIP", "address": HOST_IP},
        {"type": "Hostname", "address": node["metadata"]["name"]},
    ]
    return {"conditions": conditions, "addresses": addresses}


def is_ready(node: Json) -> bool:
    """True where the API server has every condition of the kubelet as it should be."""
    present = {c["type"]: c["status"] for c in (node.get("status") or {}).get("conditions") or []}
    return all(present.get(kind) == status for kind, status, _, _ in _CONDITIONS)


class Nodes:
    """Our nodes by name."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._nodes: dict[str, Json] = {}
        self._new = asyncio.Event()

    def get(self, name: str) -> Json | None:
        """A node of ours, None for any other."""
        return self._nodes.get(name)

    def update(self, node: Json) -> None:
        """A node appeared or changed."""
        self._nodes[node["metadata"]["name"]] = node
        if not is_ready(node):
            self._new.set()

    def remove(self, node: Json) -> None:
        """A node was deleted."""
        self._nodes.pop(node["metadata"]["name"], None)

    async def run(self) -> None:
        """Keep every node's Lease and condition up to date, until cancelled."""
        while True:
            self._new.clear()
            for node in list(self._nodes.values()):
                try:
                    await self._api.renew_lease(node)
                    if not is_ready(node):
                        await self._api.write_status(node, node_status(node))
                except ERRORS as error:
                    log.debug("node %s: %s", node["metadata"]["name"], error)
            try:
                async with asyncio.timeout(RENEW_SECONDS):
                    await self._new.wait()
            except TimeoutError:
                continue
