"""Numbers of a plan against the same numbers worked out by hand from the price list and the durations' file."""

from __future__ import annotations

from serving.plan.document import document
from tests.serving.against.comparing import DEV, edited, plan_of

ORDER = edited("contextLength: 2048", "contextLength: 2048\n      replicas: 2") + (
    "  tpu-serving:capacity: {order: [{onDemand: {keep: 1}}, spot], zones: [europe-west4-a]}\n"
)
SCALED = edited("id: example-project", 'id: example-project\n    number: "123456789012"').replace(
    "contextLength: 2048", "contextLength: 2048\n      scaling: {min: 1, max: 4}"
)
# USD an hour in europe-west4: cluster 0.10, one e2-standard-4 0.14754, load balancer 0.025.
FIXED = 0.27254


def test_an_order_costs_from_all_on_its_first_entry_to_all_on_its_last() -> None:
    plan = plan_of(ORDER)
    first, last = (entry["perHour"] for entry in document(plan).as_json()["order"])
    assert round(first, 5) == 24.03254  # 8 chips x 2.97 + 0.27254
    assert round(last, 5) == 19.27254  # the kept slice 4 x 2.97, the other 4 x 1.78, + 0.27254


def test_quota_holds_the_replicas_and_one_slice_more_during_an_update() -> None:
    assert document(plan_of(ORDER)).as_json()["quota"] == [
        {
            "metric": f"compute.googleapis.com/{name}-per-project-region",
            "region": "europe-west4",
            "family": "CT6E",
            "needed": 8,
            "duringUpdate": 12,
        }
        for name in ("TPUS-PER-TPU-FAMILY", "PREEMPTIBLE-TPU-V6E")
    ]


def test_a_month_of_a_scaled_model_is_between_its_fewest_and_its_most_replicas() -> None:
    least, most = document(plan_of(SCALED)).as_json()["cost"]["perMonthRange"]
    assert least == 8871.35  # (4 x 2.97 + 0.27254) x 730
    assert most == 34888.55  # (16 x 2.97 + 0.27254) x 730


def test_the_critical_path_is_the_sum_of_its_steps() -> None:
    plan = plan_of(DEV)
    # node 156, image 21, weights 5.75 GiB x 6.1, server 33; compilation 91, at most 1,100: in the middle.
    model = 156 + 21 + 5.748 * 6.1 + 33 + (91 + 1100) / 2
    # APIs, VPC, nodes' subnet, control plane, CPU pool, gate, KServe's controller, its webhooks, its presets.
    before = 30 + 22 + 13 + 1200 + 94 + 300 + 45 + 10 + 1
    assert abs(plan.time[0] - (before + model)) < 1
    assert [r.name for r in plan.time[2]][-1] == "model-qwen2-5-3b-service"
    # The Gateway's gate may take 45 minutes instead of 5.
    assert abs(plan.slowest - (before - 300 + 2700 + model + (1100 - 91) / 2)) < 1


def test_a_wait_without_an_error_is_named_with_and_without_an_order() -> None:
    waits = [
        document(plan_of(text)).as_json()["time"]["chipsWaitSeconds"]
        for text in (DEV, ORDER, DEV + "  tpu-serving:capacity: {purchase: flexStart}\n")
    ]
    assert waits == [36_000, 36_000, 1800]


def test_what_is_kept_is_a_line_of_its_own_by_how_it_is_bought() -> None:
    kept = "  tpu-serving:capacity: {order: [{reservation: mine}, {onDemand: {keep: 1}}]}\n"
    plan = plan_of(edited("contextLength: 2048", "contextLength: 2048\n      replicas: 2") + kept)
    chips = {item.name: item.quantity for item in plan.cost.items if item.unit == "chip"}
    assert chips == {"TPU v6e chips": 4, "TPU v6e chips (reservation)": 4}
