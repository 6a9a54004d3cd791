"""Which nodes a pool has, what they look like, and what the autoscaler decides."""

from __future__ import annotations

from typing import Any

import pytest

from rehearsal.gke.nodes.pools import pool_of
from rehearsal.gke.nodes.scaling import Order, State, idle_slices, scale_up
from tests.rehearsal.gke.pools import TPU_SELECTOR, Obj, node, pod, pool, pool_resource

SLICE: dict[str, Any] = {
    "placementPolicy": {"type": "COMPACT", "tpuTopology": "4x4"},
    "autoscaling": {"minNodeCount": 0, "maxNodeCount": 4},
}


def for_slice(made: Obj) -> Obj:
    made["spec"]["nodeSelector"]["cloud.google.com/gke-tpu-topology"] = "4x4"
    return made


def test_a_tpu_node_has_gkes_labels_taint_and_chips() -> None:
    made = node(pool(nodeConfig={"spot": True, "labels": {"team": "a"}}))
    labels = made["metadata"]["labels"]
    assert labels.items() >= {
        **TPU_SELECTOR,
        "cloud.google.com/gke-nodepool": "tpu",
        "cloud.google.com/gke-spot": "true",
        "node.kubernetes.io/instance-type": "ct6e-standard-4t",
        "topology.kubernetes.io/zone": "us-east5-a",
        "topology.kubernetes.io/region": "us-east5",
        "rehearsal.tpu-serving/node": "true",
        "team": "a",
    }.items()  # fmt: skip
    assert made["spec"]["taints"] == [{"key": "google.com/tpu", "value": "present", "effect": "NoSchedule"}]
    for amounts in (made["status"]["capacity"], made["status"]["allocatable"]):
        assert (amounts["google.com/tpu"], amounts["pods"]) == ("4", "32")
    assert made["status"]["conditions"][0]["type"] == "Ready"


def test_a_cpu_node_has_no_taint_and_leaves_something_to_the_system() -> None:
    made = node(pool("cpu", "e2-standard-4"))
    assert "taints" not in made["spec"]
    assert made["status"]["capacity"]["cpu"] == "4"
    assert made["status"]["allocatable"]["cpu"] == "3920m"  # Google: 6 % + 1 % + 2 x 0.5 %
    assert made["status"]["allocatable"]["memory"] == f"{(16 - 2.6) * 1024 * 1024 - 102400:.0f}Ki"


def test_declared_taints_stand_beside_gkes_own() -> None:
    taints = [{"key": "team", "value": "a", "effect": "NO_EXECUTE"}]
    keys = [(taint["key"], taint["effect"]) for taint in pool(nodeConfig={"taints": taints}).taints]
    assert keys == [("google.com/tpu", "NoSchedule"), ("team", "NoExecute")]


@pytest.mark.parametrize(
    ("machine", "state", "topology", "unit"),
    [
        ("ct6e-standard-1t", {}, "1x1", 1),
        ("ct6e-standard-8t", {}, "2x4", 1),
        ("ct6e-standard-4t", {"placementPolicy": {"tpuTopology": "2x4"}}, "2x4", 2),
        ("ct5p-hightpu-4t", {"placementPolicy": {"tpuTopology": "2x2x2"}}, "2x2x2", 2),
        ("e2-standard-4", {}, None, 1),
    ],
)
def test_the_slice_follows_from_machine_and_placement(machine: str, state: Obj, topology: str, unit: int) -> None:
    made = pool(machine=machine, **state)
    assert made.labels.get("cloud.google.com/gke-tpu-topology") == topology
    assert made.unit == unit


def test_the_topology_of_a_workload_policy_is_the_slices() -> None:
    policy = pool_resource()
    policy = type(policy)("t", "slice", "id", "p", "us-east5", {"workloadPolicy": {"acceleratorTopology": "2x2x2"}})
    made = pool_of(pool_resource(machine="tpu7x-standard-4t", placementPolicy={"policyName": "slice"}), [policy])
    assert (made.labels["cloud.google.com/gke-tpu-topology"], made.unit) == ("2x2x2", 2)


def test_a_pending_pod_gets_a_node_of_the_pool_that_fits() -> None:
    plan = scale_up(State([pool("cpu", "e2-standard-4"), pool()], (), [pod("a", chips=4)]))
    [order] = plan.orders
    assert (order.pool.name, order.zone, len(order.names)) == ("tpu", "us-east5-a", 1)
    [event] = plan.events
    assert (event.type, event.reason) == ("Normal", "TriggeredScaleUp")
    assert "0->1 (max: 2)" in event.message


def test_a_pod_waits_for_a_node_that_is_on_its_way() -> None:
    tpu = pool()
    ordered = [Order(tpu, "us-east5-a", ("n",))]
    plan = scale_up(State([tpu], (), [pod("a", chips=4)], ordered))
    assert (plan.orders, plan.events, plan.needed) == ([], [], {"n"})


def test_pods_share_a_node_where_they_can_and_get_further_ones_where_they_must() -> None:
    cpu = pool("cpu", "e2-standard-4")
    assert len(scale_up(State([cpu], (), [pod("a"), pod("b")])).orders) == 1
    assert len(scale_up(State([cpu], (), [pod("a", cpu="3"), pod("b", cpu="3")])).orders) == 2
    assert len(scale_up(State([cpu], [node(cpu)], [pod("x", cpu="3", on="node-1"), pod("a", cpu="3")])).orders) == 1


def test_the_maximum_is_respected_and_said() -> None:
    tpu = pool()
    pods = [pod(f"p{i}", chips=4, created=f"2026-11-24T12:00:0{i}Z") for i in range(3)]
    plan = scale_up(State([tpu], (), pods))
    assert len(plan.orders) == 2
    assert plan.events[-1].pod["metadata"]["name"] == "p2"
    assert plan.events[-1].reason == "NotTriggerScaleUp"
    assert plan.events[-1].message == "pod didn't trigger scale-up: 1 max node group size reached"


def test_a_total_maximum_holds_over_all_zones() -> None:
    zones = ["us-east5-a", "us-east5-b", "us-east5-c"]
    cpu = pool(
        "cpu", "e2-standard-4", nodeLocations=zones, autoscaling={"totalMinNodeCount": 1, "totalMaxNodeCount": 2}
    )
    plan = scale_up(State([cpu], (), [pod(f"p{i}", cpu="3") for i in range(3)]))
    assert [order.zone for order in plan.orders] == zones[:2]
    assert plan.events[-1].reason == "NotTriggerScaleUp"


def test_a_pod_that_fits_no_pool_is_told_why() -> None:
    stranger = pod("a")
    stranger["spec"]["nodeSelector"] = {"disk": "ssd"}
    untolerating = pod("b", chips=4)
    untolerating["spec"]["tolerations"] = []
    plan = scale_up(State([pool("cpu", "e2-standard-4"), pool()], (), [stranger, untolerating, pod("c", chips=8)]))
    assert plan.orders == []
    assert [event.message.partition(": ")[2] for event in plan.events] == [
        "2 node(s) didn't match Pod's node affinity/selector",
        "1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint {google.com/tpu: present}",
        "1 Insufficient google.com/tpu, 1 node(s) didn't match Pod's node affinity/selector",
    ]


def test_a_stock_out_leaves_the_pod_pending_with_gkes_event() -> None:
    plan = scale_up(State([pool()], (), [pod("a", chips=4)], stockouts={"us-east5-a"}))
    assert plan.orders == []
    [event] = plan.events
    assert (event.type, event.reason) == ("Warning", "FailedScaleUp")
    assert event.message == (
        "Node scale up in zones us-east5-a associated with this pod failed: GCE out of resources. "
        "Pod is at risk of not being scheduled."
    )


def test_another_zone_of_the_pool_helps_in_a_stock_out() -> None:
    cpu = pool("cpu", "e2-standard-4", nodeLocations=["us-east5-a", "us-east5-b"])
    [order] = scale_up(State([cpu], (), [pod("a")], stockouts={"us-east5-a"})).orders
    assert order.zone == "us-east5-b"


def test_the_quota_of_chips_is_respected_and_said() -> None:
    plan = scale_up(State([pool()], (), [pod("a", chips=4), pod("b", chips=4)], chips_left={"CT6E": 4}))
    assert len(plan.orders) == 1
    assert "GCE quota exceeded" in plan.events[-1].message


def test_a_slice_comes_as_a_whole() -> None:
    made = pool(**SLICE)
    plan = scale_up(State([made], (), [for_slice(pod("a", chips=4))]))
    [order] = plan.orders
    assert len(order.names) == 4
    more = scale_up(
        State([made], [node(made, name) for name in order.names], [for_slice(pod(f"p{i}", 4)) for i in range(5)])
    )
    assert more.orders == []
    assert more.events[-1].reason == "NotTriggerScaleUp"


def test_a_slice_goes_only_as_a_whole() -> None:
    made = pool(**SLICE)
    nodes = [node(made, f"n{i}", slice_name="n0") for i in range(4)]
    assert idle_slices(State([made], nodes, [pod("a", on="n3")]), ()) == {}
    assert idle_slices(State([made], nodes, ()), ()) == {"n0": ["n0", "n1", "n2", "n3"]}


def test_a_node_stays_while_a_pod_runs_there_is_to_run_there_or_the_minimum_needs_it() -> None:
    tpu = pool()
    nodes = [node(tpu, "n1"), node(tpu, "n2")]
    assert idle_slices(State([tpu], nodes, [pod("a", on="n1")]), {"n2"}) == {}
    assert set(idle_slices(State([tpu], nodes, [pod("a", on="n1")]), ())) == {"n2"}
    kept = pool(autoscaling={"totalMinNodeCount": 1, "totalMaxNodeCount": 3})
    assert len(idle_slices(State([kept], nodes, ()), ())) == 1
    daemon = pod("d", on="n1")
    daemon["metadata"]["ownerReferences"] = [{"kind": "DaemonSet"}]
    finished = {**pod("f", on="n2"), "status": {"phase": "Succeeded"}}
    assert set(idle_slices(State([tpu], nodes, [daemon, finished]), ())) == {"n1", "n2"}


def test_a_pool_without_autoscaling_stays_as_it_is() -> None:
    fixed = pool(autoscaling=None, initialNodeCount=1)
    assert scale_up(State([fixed], (), [pod("a", chips=4)])).orders == []
    assert idle_slices(State([fixed], [node(fixed)], ()), ()) == {}


def test_init_containers_count_when_they_ask_for_more() -> None:
    cpu = pool("cpu", "e2-standard-4")
    large = pod("a")
    large["spec"]["initContainers"] = [{"name": "init", "resources": {"requests": {"cpu": "16"}}}]
    assert scale_up(State([cpu], (), [large])).orders == []


def test_required_node_affinity_is_followed() -> None:
    cpu = pool("cpu", "e2-standard-4", nodeLocations=["us-east5-a", "us-east5-b"])
    bound = pod("a")
    wanted = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["us-east5-b"]}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [wanted]}]}
    bound["spec"]["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    [order] = scale_up(State([cpu], (), [bound])).orders
    assert order.zone == "us-east5-b"
