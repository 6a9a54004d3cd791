"""Which nodes a pool has, what they look like, and what the autoscaler decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from rehearsal.cloud import CloudResource
from rehearsal.gke.nodes.autoscaler import Event, idle_slices, scale_up
from rehearsal.gke.nodes.pools import Node, Pool, pool_of
from tests.rehearsal.gke.objects import Obj

ZONE, ZONES = "us-east5-a", ["us-east5-a", "us-east5-b", "us-east5-c"]
CPU: dict[str, Any] = {"machine": "e2-standard-4", "autoscaling": {"totalMinNodeCount": 1, "totalMaxNodeCount": 3}}
SLICE: dict[str, Any] = {
    "placementPolicy": {"tpuTopology": "4x4"},
    "autoscaling": {"minNodeCount": 0, "maxNodeCount": 4},
}


def resource(
    name: str = "tpu", machine: str = "ct6e-standard-4t", config: Obj | None = None, **state: Any
) -> CloudResource:
    """A node pool as the gcp plugin keeps it."""
    base = {"cluster": "serving", "nodeLocations": [ZONE], "maxPodsPerNode": 32, "initialNodeCount": 0}
    node_config = {"machineType": machine, "diskSizeGb": 200, **(config or {})}
    base |= {"autoscaling": {"minNodeCount": 0, "maxNodeCount": 2}, **state, "nodeConfig": node_config}
    link = f"projects/p/locations/us-east5/clusters/serving/nodePools/{name}"
    return CloudResource("gcp:container/nodePool:NodePool", name, link, "p", "us-east5", base)


def pool(name: str = "tpu", **more: Any) -> Pool:
    return pool_of(resource(name, **more), ())


def pod(name: str, chips: int = 0, cpu: str = "1", on: str = "", topology: str = "2x2") -> Obj:
    """A pod: pending, or on a node; one with chips is for TPU nodes of a topology. Younger ones have later names."""
    wanted: Obj = {"cpu": cpu, **({"google.com/tpu": str(chips)} if chips else {})}
    spec: Obj = {"containers": [{"name": "main", "resources": {"requests": wanted}}]}
    if chips:
        labels = {"accelerator": "tpu-v6e-slice", "topology": topology}
        spec["nodeSelector"] = {f"cloud.google.com/gke-tpu-{key}": value for key, value in labels.items()}
        spec["tolerations"] = [{"key": "google.com/tpu", "operator": "Exists", "effect": "NoSchedule"}]
    waits = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]
    status: Obj = {"phase": "Running"} if on else {"phase": "Pending", "conditions": waits}
    metadata = {"name": name, "namespace": "ns", "uid": name, "creationTimestamp": name}
    return {"metadata": metadata, "spec": {**spec, **({"nodeName": on} if on else {})}, "status": status}


def nodes(of: Pool, count: int = 1) -> list[Node]:
    made: list[Node] = []
    for _ in range(count):
        made += of.new(ZONE, [node["metadata"]["name"] for node in made])
    return made


@dataclass
class Plan:
    orders: list[list[Node]]
    events: list[Event]
    needed: set[str]

    def said(self) -> list[tuple[str, str]]:
        return [(reason, message) for _, _, reason, message in self.events]


def decide(pools: list[Pool], pods: list[Obj], there: list[Node] | None = None, **more: Any) -> Plan:
    return Plan(*scale_up(pools, there or [], pods, more.pop("stockouts", ()), **more))


def test_a_tpu_node_has_gkes_labels_taint_and_chips() -> None:
    config = {"spot": True, "reservationAffinity": {"values": ["projects/o/reservations/r"]}}
    [made] = nodes(pool(config=config))
    assert made["metadata"]["labels"].items() >= {
        "cloud.google.com/gke-tpu-accelerator": "tpu-v6e-slice",
        "cloud.google.com/gke-tpu-topology": "2x2",
        "cloud.google.com/gke-accelerator-count": "4",
        "cloud.google.com/gke-nodepool": "tpu",
        "cloud.google.com/gke-spot": "true",
        "cloud.google.com/reservation-name": "r",
        "node.kubernetes.io/instance-type": "ct6e-standard-4t",
        "topology.kubernetes.io/zone": ZONE,
        "topology.kubernetes.io/region": "us-east5",
        "rehearsal.tpu-serving/node": "true",
    }.items()  # fmt: skip
    assert made["spec"]["taints"] == [{"key": "google.com/tpu", "value": "present", "effect": "NoSchedule"}]
    for amounts in made["status"].values():
        assert (amounts["google.com/tpu"], amounts["pods"]) == ("4", "32")


@pytest.mark.parametrize(
    ("machine", "state", "topology", "unit"),
    [
        ("ct6e-standard-1t", {}, "1x1", 1),
        ("ct6e-standard-8t", {}, "2x4", 1),
        ("ct6e-standard-4t", {"placementPolicy": {"tpuTopology": "2x4"}}, "2x4", 2),
        ("ct5p-hightpu-4t", {"placementPolicy": {"tpuTopology": "2x2x2"}}, "2x2x2", 2),
        ("tpu7x-standard-4t", {"placementPolicy": {"policyName": "projects/p/policies/slice"}}, "2x2x2", 2),
        ("e2-standard-4", {}, None, 1),
    ],
)
def test_the_slice_follows_from_machine_and_placement(machine: str, state: Obj, topology: str, unit: int) -> None:
    policy = CloudResource("t", "slice", "id", "p", "us-east5", {"workloadPolicy": {"acceleratorTopology": "2x2x2"}})
    made = pool_of(resource(machine=machine, **state), [policy])
    assert (made.labels.get("cloud.google.com/gke-tpu-topology"), made.unit) == (topology, unit)
    assert len(nodes(made)) == unit


def test_a_pool_that_is_not_emulated_says_so() -> None:
    with pytest.raises(ValueError, match="not emulated: ") as caught:
        pool(machine="c3-highcpu-8")
    assert decide([], [pod("a")], gaps=[str(caught.value)]).said()[0][1].endswith(f": 1 {caught.value}")


def test_pods_share_a_node_where_they_can_and_get_further_ones_up_to_the_maximum_by_turns_of_the_zones() -> None:
    cpu = pool("cpu", **CPU, nodeLocations=ZONES)
    assert len(decide([cpu], [pod("a"), pod("b")]).orders) == 1
    there = nodes(cpu)
    plan = decide([cpu], [pod("x", cpu="3", on=there[0]["metadata"]["name"]), *(pod(n, cpu="3") for n in "abc")], there)
    assert [made[0]["metadata"]["labels"]["topology.kubernetes.io/zone"] for made in plan.orders] == ZONES[1:]
    assert plan.said()[-1] == ("NotTriggerScaleUp", "pod didn't trigger scale-up: 1 max node group size reached")
    assert decide([cpu], [pod("a", cpu="16")]).said()[0][1].endswith("1 Insufficient cpu")


def test_a_pod_that_fits_no_pool_is_told_why() -> None:
    stranger, untolerating = pod("a"), pod("b", chips=4)
    stranger["spec"]["nodeSelector"] = {"disk": "ssd"}
    untolerating["spec"]["tolerations"] = []
    plan = decide([pool("cpu", **CPU), pool()], [stranger, untolerating, pod("d", chips=8)])
    unmatched = "node(s) didn't match Pod's node affinity/selector"
    assert [message.partition(": ")[2] for _, message in plan.said()] == [
        f"2 {unmatched}",
        f"1 {unmatched}, 1 node(s) had untolerated taint {{google.com/tpu: present}}",
        f"1 Insufficient google.com/tpu, 1 {unmatched}",
    ]


def test_a_stock_out_leaves_the_pod_pending_with_gkes_event_and_another_zone_helps() -> None:
    plan = decide([pool()], [pod("a", chips=4)], stockouts={ZONE})
    text = f"Node scale up in zones {ZONE} associated with this pod failed: GCE out of resources. "
    assert (plan.orders, plan.said()) == ([], [("FailedScaleUp", f"{text}Pod is at risk of not being scheduled.")])
    [[node]] = decide([pool("cpu", **CPU, nodeLocations=ZONES)], [pod("a")], stockouts={ZONE}).orders
    assert node["metadata"]["labels"]["topology.kubernetes.io/zone"] == "us-east5-b"


def test_a_slice_comes_and_goes_only_as_a_whole() -> None:
    made = pool(**SLICE)
    wanted = [pod(f"p{number}", chips=4, topology="4x4") for number in range(5)]
    [hosts] = decide([made], wanted[:1]).orders
    assert len(hosts) == 4
    full = decide([made], wanted, hosts)
    assert (full.orders, [reason for reason, _ in full.said()]) == ([], ["NotTriggerScaleUp"])
    names = [node["metadata"]["name"] for node in hosts]
    assert idle_slices([made], hosts, names[3:]) == {}
    assert idle_slices([made], hosts, ()) == {names[0]: names}


def test_idle_nodes_go_down_to_the_minimum() -> None:
    cpu = pool("cpu", **CPU)
    assert len(idle_slices([cpu], nodes(cpu, 3), ())) == 2
    there = nodes(pool(), 2)
    assert list(idle_slices([pool()], there, [there[0]["metadata"]["name"]])) == [there[1]["metadata"]["name"]]


def test_a_cordoned_node_has_no_place_and_counts_for_its_pool() -> None:
    one = pool()
    [there] = nodes(one)
    cordoned = {**there, "spec": {**there["spec"], "unschedulable": True}}
    assert decide([one], [pod("server", chips=4)], [there]).orders == []
    [[made]] = decide([one], [pod("server", chips=4)], [cordoned]).orders
    assert made["metadata"]["name"] != there["metadata"]["name"]
    full = pool(autoscaling={"minNodeCount": 0, "maxNodeCount": 1})
    waits = decide([full], [pod("server", chips=4)], [cordoned])
    assert waits.orders == [] and "max node group size reached" in str(waits.said())


CLASS = "cloud.google.com/compute-class"


def of_class(name: str, zone: str = ZONE, **config: Any) -> Pool:
    """A pool of the class `order`."""
    taint = {"key": CLASS, "value": "order", "effect": "NO_SCHEDULE"}
    return pool(name, config={"labels": {CLASS: "order"}, "taints": [taint], **config}, nodeLocations=[zone])


def pod_of_class(name: str, **more: Any) -> Obj:
    made = pod(name, chips=4, **more)
    made["spec"]["nodeSelector"][CLASS] = "order"
    made["spec"]["tolerations"] += [{"key": CLASS, "operator": "Equal", "value": "order", "effect": "NoSchedule"}]
    return made


@pytest.mark.parametrize(
    ("stockouts", "serves"),
    [((), "res"), (("reservation",), "od"), (("reservation", "onDemand"), "spot"), ((ZONE,), "far")],
)
def test_a_class_falls_back_from_pool_to_pool_in_its_order(stockouts: tuple[str, ...], serves: str) -> None:
    pools = [
        of_class("spot", spot=True),
        of_class("far", zone="us-east5-b", spot=True),
        of_class("od"),
        of_class("res", reservationAffinity={"values": ["r"]}),
    ]
    order = {"order": ["res", "od", "spot", "far"]}
    plan = decide(pools, [pod_of_class("a")], stockouts=stockouts, classes=order)
    [[made]] = plan.orders
    assert made["metadata"]["labels"]["cloud.google.com/gke-nodepool"] == serves
    assert [reason for reason, _ in plan.said()] == [*(["FailedScaleUp"] if stockouts else []), "TriggeredScaleUp"]


def test_only_pools_that_the_class_names_grow_for_its_pods() -> None:
    pools = [of_class("od"), pool("plain")]
    assert not decide(pools, [pod_of_class("a")], classes={}).orders
    assert not decide([pool("plain")], [pod_of_class("a")], classes={"order": ["plain"]}).orders, "its taint is missing"
    [[made]] = decide(pools, [pod("b", chips=4)], classes={"order": ["od"]}).orders
    assert made["metadata"]["labels"]["cloud.google.com/gke-nodepool"] == "plain"
