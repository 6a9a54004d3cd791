"""Removing nodes: drained where their pool is deleted, at once where the whole cluster is."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

import cluster as kube
from rehearsal.gke.nodes.scaling import occupies

log = logging.getLogger(__name__)

MANAGER = "gke-drain"
# Google "Node pool deletion": disruption budgets and grace periods are respected for up to an hour.
_LIMIT_SECONDS = 3600.0
# Pods need some time to end, however short an hour is here.
_SHORTEST_LIMIT = 30.0
_TOO_MANY_REQUESTS = 429


class Drain:
    """Cordons nodes, evicts their pods and deletes them when they are empty or the time is over."""

    def __init__(self, client: kube.DynamicClient, scale: float) -> None:
        self._client = client
        self._limit = max(_LIMIT_SECONDS * scale, _SHORTEST_LIMIT)
        self._since: dict[str, float] = {}

    def delete_all(self, nodes: Sequence[kube.KubeObject]) -> None:
        """The machines are gone: delete the nodes, the pods on them follow."""
        for node in nodes:
            kube.delete(self._client, "v1", "Node", node["metadata"]["name"])
        self._since = {}

    def drain(self, nodes: Sequence[kube.KubeObject], pods: Sequence[kube.KubeObject]) -> None:
        """One step for each node."""
        names = {node["metadata"]["name"] for node in nodes}
        self._since = {name: self._since.get(name, time.time()) for name in names}
        for node in nodes:
            name = node["metadata"]["name"]
            own = [pod for pod in pods if pod["spec"].get("nodeName") == name and occupies(pod)]
            if not own or time.time() - self._since[name] >= self._limit:
                kube.delete(self._client, "v1", "Node", name)
                log.info("deleted the node %s with %d pods left", name, len(own))
                continue
            if not (node.get("spec") or {}).get("unschedulable"):
                cordon = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
                kube.apply(self._client, {**cordon, "spec": {"unschedulable": True}}, manager=MANAGER)
            for pod in own:
                if not pod["metadata"].get("deletionTimestamp"):
                    self._evict(pod)

    def _evict(self, pod: kube.KubeObject) -> None:
        metadata = pod["metadata"]
        path = kube.path_of(self._client, "v1", "Pod", metadata["namespace"], metadata["name"])
        target = {"name": metadata["name"], "namespace": metadata["namespace"]}
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": target}
        try:
            self._client.request("post", f"{path}/eviction", body=body, serialize=False)
        except kube.NotFoundError:
            return
        except kube.ApiException as error:
            if error.status != _TOO_MANY_REQUESTS:  # a disruption budget says: later
                raise
