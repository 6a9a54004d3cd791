"""The bucket in a plan: what is estimated of it, what a revision changes, and what destroy leaves."""

from __future__ import annotations

import copy
import io
from dataclasses import replace
from typing import Any

import pytest

from checks.environment import require
from manifests.llm_inference_service import llm_inference_service
from manifests.weights import filling_job
from serving.plan.text import render_text
from settings.cost import estimate, reading_cost
from settings.derive import Deployment
from settings.document import ROOT, Document, read_document
from settings.start import start_seconds
from tests.graph.planning import of_kind, plan_document

DOCUMENT = read_document(ROOT / "examples/weights-bucket.yaml")
COMMIT = "a09a35458c702b33eeacc393d103063234e8bc28"
GUIDE = (ROOT / "docs/guide/start-faster.md").read_text(encoding="utf-8")


def changed(weights: dict[str, Any] | None = None, zone: str = "europe-west4-a", **model: Any) -> Document:
    data = copy.deepcopy(DOCUMENT.data)
    data["models"][0] |= model
    data["weights"] = weights or data["weights"]
    data["location"] = {"zone": zone}
    return replace(DOCUMENT, data=data)


def deployed(**change: Any) -> Deployment:
    return require(changed(**change))[0]


# GiB by the published parameters at two bytes each. Seconds: node 156, image 21, server 33 and compilation 91 to 1,100, of which
# 0.43 is left where programs are there; 1.41 to 19.3 a GiB (catalog/data/durations.yaml has the sources). Memory: half of what
# Google's pages say of the machine. Cost: 0.020 USD per GiB and month; 0.0004 USD per 1,000 requests of 8 MiB.
@pytest.mark.parametrize(
    ("name", "source", "slice_", "zone", "parameters", "memory_gib"),
    [
        ("Llama 3.1 8B", "meta-llama/Llama-3.1-8B-Instruct", ("v6e", "1x1"), "europe-west4-a", 8.03e9, 88),
        ("Llama 3.3 70B", "meta-llama/Llama-3.3-70B-Instruct", ("v6e", "2x4"), "europe-west4-a", 70.55e9, 720),
        ("Llama 3.1 8B", "meta-llama/Llama-3.1-8B-Instruct", ("tpu7x", "1x1x1"), "us-central1-c", 8.03e9, None),
        ("Llama 3.3 70B", "meta-llama/Llama-3.3-70B-Instruct", ("tpu7x", "2x2x1"), "us-central1-c", 70.55e9, 480),
    ],
)
def test_starts_memory_and_cost_are_those_of_published_figures(
    name: str, source: str, slice_: tuple[str, str], zone: str, parameters: float, memory_gib: int | None
) -> None:
    generation, topology = slice_
    token = {"kubernetesSecret": {"name": "hf-token"}}
    shape = {"generation": generation, "topology": topology}
    made = deployed(source=f"hf://{source}:{COMMIT}", zone=zone, tpu=shape, huggingFaceToken=token)
    [model] = made.models
    gib = parameters * 2 / 2**30
    first, later = start_seconds(model), start_seconds(model, later=True)
    assert first is not None and later is not None and model.weights_bytes is not None
    assert first == pytest.approx((210 + 91 + 1.41 * gib, 210 + 1100 + 19.3 * gib), rel=0.01)
    assert later == pytest.approx((210 + 0.43 * 91 + 1.41 * gib, 210 + 0.43 * 1100 + 19.3 * gib), rel=0.01)
    [month] = [item.per_hour * 730 for item in estimate(made).items if item.unit == "GiB" and item.per_hour]
    assert month == pytest.approx(0.020 * gib, abs=0.02)
    assert reading_cost(model.weights_bytes) == pytest.approx(gib * 128 / 1000 * 0.0004, rel=0.01)
    assert (model.memory_gib, model.backend) == (memory_gib, "flax_nnx")
    minutes = ["{:.0f} to {:.0f} min".format(*(s / 60 for s in span)) for span in (first, later)]
    memory = "not known" if memory_gib is None else f"{memory_gib} GiB"
    label = "TPU7x" if generation == "tpu7x" else generation
    cells = [
        name,
        f"{label} {topology}",
        *minutes,
        "jax",
        memory,
        f"${month:.2f}",
        f"${reading_cost(model.weights_bytes):.3f}",
    ]
    assert f"| {' | '.join(cells)} |" in GUIDE


def test_plan_marks_every_figure_of_a_start_with_its_source_and_spread() -> None:
    plan = plan_document(DOCUMENT)
    rows = {figure.name: figure for figure in plan.figures}
    assert (rows["compile, s"].value, rows["compile, s"].most, rows["compile, s"].measured) == (91, 1100, True)
    assert not rows["filling the bucket, s per GiB"].measured
    text = " ".join(render_text(plan, io.StringIO()).split())
    for figure in plan.figures:
        assert f"{figure.name}: {figure.value:g}" in text and figure.source in text and figure.date in text
    assert "weights of the Hub" not in text and "estimated from published figures" in text


def test_another_revision_is_another_folder_and_the_one_before_stays() -> None:
    """So the way back names objects that are there: the Job finds its marker, and nothing is downloaded."""
    now, then = deployed(), deployed(source=f"hf://Qwen/Qwen2.5-7B-Instruct:{'1' * 40}")
    back = deployed()
    assert filling_job(now, now.models[0]) == filling_job(back, back.models[0])
    assert llm_inference_service(now, now.models[0]) == llm_inference_service(back, back.models[0])
    assert now.models[0].weights_address.endswith(f"/Qwen/Qwen2.5-7B-Instruct/{COMMIT}")
    assert then.models[0].weights_address == now.models[0].weights_address.replace(COMMIT, "1" * 40)


def test_destroy_leaves_a_filled_bucket_by_default_and_plan_says_so() -> None:
    for delete, end in ((False, "left, with what is in it"), (True, "deleted with everything in it")):
        plan = plan_document(changed(weights={"bucket": "create", "deleteBucket": delete}))
        [bucket] = of_kind(plan, "Bucket")
        assert (bucket.retain_on_delete, bucket.inputs["forceDestroy"]) == (not delete, delete)
        text = " ".join(render_text(plan, io.StringIO()).split())
        assert f"destroy: {end} (weights.deleteBucket)" in text
