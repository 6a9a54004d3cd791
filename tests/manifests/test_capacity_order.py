"""An order of purchases becomes pools, a class that names each of them once, and a range of costs."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from checks.environment import check
from manifests.compute_class import compute_classes
from manifests.llm_inference_service import llm_inference_service
from serving.plan.capacity_order import entries, quotas
from settings.derive import Deployment
from settings.document import Document
from tests.checks.cases import GOOD

ZONES = ["europe-west4-a", "europe-west4-b"]
TOPOLOGIES = st.sampled_from(["1x1", "2x2", "2x4", "4x4"])
ENTRIES = st.permutations(
    [{"reservation": "mine"}, {"reservation": "mine", "zone": ZONES[1]}, {"onDemand": {"keep": 1}}, "flexStart", "spot"]
)


def deployment(capacity: dict[str, Any], topology: str = "2x2", replicas: int = 2) -> Deployment:
    data = copy.deepcopy(GOOD)
    data["models"][0] |= {"tpu": {"generation": "v6e", "topology": topology}, "replicas": replicas}
    made, findings = check(Document("t", "t.yaml", {**data, "capacity": capacity}))
    assert made is not None, findings
    return made


@given(order=ENTRIES, length=st.integers(1, 5), zones=st.integers(1, 2), topology=TOPOLOGIES)
def test_each_pool_is_tried_once_in_the_order_of_the_file(
    order: list[Any], length: int, zones: int, topology: str
) -> None:
    made = deployment({"order": order[:length], "zones": ZONES[:zones]}, topology)
    names = [pool.name for pool in made.pools]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 40 for name in names)
    [(_, manifest)] = compute_classes(made)
    assert manifest["spec"]["priorities"] == [{"nodepools": [name]} for name in names]
    again = deployment({"order": order[:length][::-1], "zones": ZONES[:zones]}, topology)
    assert {pool.name for pool in again.pools} == {*names}, "a changed order makes no pool anew"


@given(topology=TOPOLOGIES)
def test_without_an_order_a_pod_selects_the_slice_alone(topology: str) -> None:
    made = deployment({"purchase": "spot"}, topology)
    assert compute_classes(made) == ()
    assert all(pool.compute_class is None for pool in made.pools)
    [model] = made.models
    assert "tolerations" not in llm_inference_service(made, model)["spec"]["template"]


def test_a_pod_selects_class_and_slice_and_nothing_that_gke_refuses_beside_a_class() -> None:
    made = deployment({"order": ["onDemand"]}, "2x4")
    [model] = made.models
    pod = llm_inference_service(made, model)["spec"]["template"]
    assert pod["nodeSelector"] == {
        "cloud.google.com/gke-tpu-accelerator": "tpu-v6e-slice",
        "cloud.google.com/gke-tpu-topology": "2x4",
        "cloud.google.com/compute-class": "tpu-v6e-2x4-8t",
    }
    assert [t["value"] for t in pod["tolerations"]] == ["tpu-v6e-2x4-8t"]


def test_the_cost_goes_from_all_on_the_first_entry_to_all_on_the_last_with_what_is_always_on_in_each() -> None:
    made = deployment({"order": [{"onDemand": {"keep": 1}}, "spot"]}, replicas=3)
    fixed = entries(deployment({"purchase": "spot"}, replicas=1))[0].per_hour
    first, last = (entry.per_hour for entry in entries(made))
    on_demand = entries(deployment({"purchase": "onDemand"}, replicas=3))[0].per_hour
    spot = entries(deployment({"purchase": "spot"}, replicas=3))[0].per_hour
    assert first is not None and last is not None and on_demand is not None and spot is not None and fixed is not None
    assert first == on_demand
    assert round(last, 6) == round(spot + (on_demand - spot) / 3, 6), "one of three slices is kept on demand"


def test_quota_is_asked_once_where_spot_and_flex_start_draw_on_the_same_one() -> None:
    made = deployment({"order": ["onDemand", "flexStart", "spot"], "zones": ZONES})
    assert [(q.title, q.steady, q.update) for q in quotas(made)] == [
        ("CT6E (on demand)", 8, 12),
        ("PREEMPTIBLE-TPU-V6E (flex-start, spot)", 8, 12),
    ]


def test_a_quota_is_called_as_it_is_asked_for() -> None:
    titles = [quotas(deployment({"purchase": bought}))[0].title for bought in ("onDemand", "spot", "flexStart")]
    assert titles == ["CT6E", "PREEMPTIBLE-TPU-V6E", "PREEMPTIBLE-TPU-V6E"]


def test_a_longer_grace_is_that_of_spot_alone() -> None:
    made = deployment({"order": ["onDemand", "flexStart", "spot"], "spotGraceSeconds": 120})
    assert [bought.grace_seconds for bought in made.purchases] == [None, None, 120]
    assert made.settings.capacity.spot_answer_seconds == 105
    assert made.version_floor == ("1.35.0-gke.1171000", "spotGraceSeconds")
    assert deployment({"purchase": "spot"}).settings.capacity.spot_answer_seconds == 15
