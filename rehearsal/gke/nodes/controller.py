"""Makes the nodes of the pools, lets the autoscaler decide, and removes what is not declared any more."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence

import cluster as kube
from catalog.files import read_yaml
from rehearsal import cloud
from rehearsal.directory import RehearsalDirectory
from rehearsal.gke.events import Events, now
from rehearsal.gke.nodes.autoscaler import Pod, idle_slices, order_of, running_on, scale_up
from rehearsal.gke.nodes.pools import NODE_LABEL, POOL_LABEL, UPGRADE_LABEL, Node, Pool, pool_of

# Google "About GKE cluster autoscaling": a node goes after 10 minutes in which nothing needed it. Google "Node pool
# deletion": disruption budgets are respected for an hour. Shorter here by the scale, but long enough for pods to move.
_IDLE_SECONDS, _SHORTEST_IDLE = 600.0, 10.0
_DRAIN_SECONDS, _SHORTEST_DRAIN = 3600.0, 30.0


class Nodes:
    """One pass a call of `reconcile`. `scale` times a duration of the cloud is its duration here."""

    def __init__(self, client: kube.DynamicClient, directory: RehearsalDirectory, scale: float) -> None:
        self._client, self._directory, self._events = client, directory, Events(client, "cluster-autoscaler")
        self._delay = float(read_yaml("durations.yaml")["modelStart"]["node"]["seconds"]) * scale
        self._idle_limit = max(_IDLE_SECONDS * scale, _SHORTEST_IDLE)
        self._drain_limit = max(_DRAIN_SECONDS * scale, _SHORTEST_DRAIN)
        # Nodes under way and when they come; since when slices are idle and nodes are drained.
        self._ordered: list[tuple[float, list[Node]]] = []
        self._since: dict[str, float] = {}

    def reconcile(
        self,
        nodes: Sequence[kube.KubeObject],
        pods: Sequence[kube.KubeObject],
        classes: Sequence[kube.KubeObject] = (),
    ) -> None:
        """Bring the nodes to what pools, pods and ComputeClasses ask for."""
        declared = cloud.read_all(self._directory.cloud, "gcp:container/nodePool:NodePool", provisioning=True)
        policies = cloud.read_all(self._directory.cloud, "gcp:compute/resourcePolicy:ResourcePolicy")
        pools, gaps = [], []
        for resource in (item for item in declared if item.status == "RUNNING"):
            try:
                pools.append(pool_of(resource, policies))
            except ValueError as error:
                gaps.append(str(error))
        ours = [node for node in nodes if NODE_LABEL in node["metadata"]["labels"]]
        names = {resource.name for resource in declared}
        kept = [node for node in ours if _pool(node) in names]
        # Of deleted pools, and nodes in an upgrade, which count for their pool until they are gone.
        leaving = [node for node in ours if node not in kept or UPGRADE_LABEL in node["metadata"]["labels"]]
        present = set(map(_name, ours))
        # An order is done once its nodes are seen: until then they would be ordered again.
        waiting = [item for item in self._ordered if _pool(item[1][0]) in names]
        self._ordered = [(due, made) for due, made in waiting if not present >= set(map(_name, made))]
        stockouts = self._directory.root / "stockout.txt"  # a zone or purchase model a line, written by `--stockout`
        empty = stockouts.read_text(encoding="utf-8").split() if stockouts.exists() else []
        self._begin([pool for pool in pools if pool.purchase not in empty], kept, empty)
        coming = [node for _, made in self._ordered for node in made if _name(node) not in present]
        self._judge(classes)
        order = {_name(item): order_of(item) for item in classes}
        orders, events, needed = scale_up(pools, [*kept, *coming], pods, empty, gaps, order)
        self._ordered += [(time.time() + self._delay, made) for made in orders]
        for event in events:
            self._events.say(*event)
        idle = idle_slices(pools, kept, needed.union(_name(node) for node in kept if running_on(node, pods)))
        known = {*idle, *map(_name, leaving)}
        self._since = {name: self._since.get(name, time.time()) for name in known}
        for name, members in idle.items():
            for member in members if time.time() - self._since[name] >= self._idle_limit else ():
                kube.delete(self._client, "v1", "Node", member)
        for node in leaving:
            self._drain(node, running_on(node, pods))
        for new in (node for due, made in self._ordered if due <= time.time() for node in made):
            kube.apply(self._client, {**new, "status": None}, manager="gke-nodes")
            kube.patch_status(self._client, new, new["status"], manager="gke-nodes")

    def _judge(self, classes: Iterable[kube.KubeObject]) -> None:
        """The program's classes and pools fit together: each class is healthy."""
        for item in (item for item in classes if not (item.get("status") or {}).get("conditions")):
            health = {"type": "Health", "status": "True", "reason": "Health", "message": "Crd is healthy."}
            status = {"conditions": [{**health, "lastTransitionTime": now()}]}
            kube.patch_status(self._client, item, status, manager="cluster-autoscaler")

    def _begin(self, pools: Iterable[Pool], nodes: Iterable[Node], empty: Collection[str]) -> None:
        """The nodes in each zone that a pool begins with. It never has none afterwards: its minimum is one at least."""
        there = {_pool(node) for node in nodes} | {_pool(made[0]) for _, made in self._ordered}
        for pool in (pool for pool in pools if pool.resource.name not in there):
            for zone in (zone for zone in pool.resource.state["nodeLocations"] if zone not in empty):
                taken: list[str] = []
                for _ in range((pool.resource.state.get("initialNodeCount") or 0) // pool.unit):
                    made = pool.new(zone, taken)
                    taken += map(_name, made)
                    self._ordered.append((time.time(), made))

    def _drain(self, node: Node, pods: Sequence[Pod]) -> None:
        """Cordon it, evict its pods, and delete it when it is empty or the time is over."""
        name = _name(node)
        if not pods or time.time() - self._since[name] >= self._drain_limit:
            kube.delete(self._client, "v1", "Node", name)
            return
        cordoned = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {"unschedulable": True}}
        kube.apply(self._client, cordoned, manager="gke-drain")
        for metadata in (pod["metadata"] for pod in pods if not pod["metadata"].get("deletionTimestamp")):
            target = {"name": metadata["name"], "namespace": metadata["namespace"]}
            path = f"/api/v1/namespaces/{target['namespace']}/pods/{target['name']}/eviction"
            body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": target}
            try:
                self._client.request("post", path, body=body, serialize=False)
            except kube.ApiException as error:
                if error.status not in (404, 429):  # gone, or a disruption budget says: later
                    raise


def _name(node: Node) -> str:
    return str(node["metadata"]["name"])


def _pool(node: Node) -> str:
    return str(node["metadata"]["labels"][POOL_LABEL])
