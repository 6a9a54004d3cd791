"""How long the steps of `pulumi up` take, in seconds; dated figures for an estimate. Data: `data/durations.yaml`."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from catalog.files import read_yaml

_JOB = "kubernetes:batch/v1:Job"
_RELEASE = "kubernetes:helm.sh/v3:Release"


def seconds_of(type_token: str, inputs: dict[str, Any], *, slow: bool = False) -> float:
    """Seconds to create a resource of this type; a chart's or Job's by its name, a model's from its weights and its start.

    `slow`: the longest that was reported, where something is known of it.
    """
    data = read_yaml("durations.yaml")
    if type_token == _RELEASE:
        chart = str(inputs.get("name", ""))
        row = data["charts"].get(chart) or data["charts"]["default"]
    elif type_token == _JOB:
        row = data["jobs"][inputs["metadata"]["name"]]
    elif type_token.startswith("kubernetes:") and type_token not in data["types"]:
        row = data["types"]["kubernetes"]
    else:
        row = data["types"].get(type_token) or data["types"]["default"]
    return float(row.get("upTo", row["seconds"]) if slow else row["seconds"])


def model_start_seconds(weights_gib: float, *, streamed: bool = False, warm: bool = False) -> tuple[float, float]:
    """From an empty pool to a ready server: as measured with a small model, and as slow as others report.

    Node, image, weights, server, compilation of every shape. `streamed`: the weights come from a bucket; `warm`: compiled
    programs do too.
    """
    data = read_yaml("durations.yaml")
    start = data["modelStart"]
    fixed = sum(float(start[key]["seconds"]) for key in ("node", "image", "server"))
    weights = start["streamedPerGib" if streamed else "weightsPerGib"]
    share = float(data["warmStart"]["share"]) if warm else 1.0
    fast = fixed + weights_gib * float(weights["seconds"]) + share * float(start["compile"]["seconds"])
    slow = weights_gib * float(weights.get("upTo", weights["seconds"])) + share * float(start["compile"]["upTo"])
    return fast, fixed + slow


class Figure(NamedTuple):
    """A figure behind an estimate of a start. `most`: the slowest that is reported. `measured`: by its source, nowhere here."""

    name: str
    value: float
    most: float
    measured: bool
    date: str
    source: str


def start_figures(*, downloaded: bool, streamed: bool, warm: bool) -> list[Figure]:
    """What `model_start_seconds` and `filling_seconds` are made of, for weights and programs that come from there."""
    data = read_yaml("durations.yaml")
    start = data["modelStart"]
    rows = {f"{key}, s": start[key] for key in ("node", "image", "server", "compile")}
    rows |= {"weights of the Hub, s per GiB": start["weightsPerGib"]} if downloaded else {}
    if streamed:
        rows["weights of the bucket, s per GiB"] = start["streamedPerGib"]
        rows["filling the bucket, s per GiB"] = {**data["filling"], "seconds": data["filling"]["perGib"]}
    rows |= (
        {"later: share of compile left": {**data["warmStart"], "seconds": data["warmStart"]["share"]}} if warm else {}
    )
    return [
        Figure(
            name,
            float(row["seconds"]),
            float(row.get("upTo", row["seconds"])),
            bool(row["verified"]),
            str(row.get("date", data["date"])),
            " ".join(str(row["source"]).split()),
        )
        for name, row in rows.items()
    ]


def compile_seconds() -> tuple[float, float]:
    """What a start with a cold cache compiles for, within `model_start_seconds`."""
    row = read_yaml("durations.yaml")["modelStart"]["compile"]
    return float(row["seconds"]), float(row["upTo"])


def filling_seconds(weights_gib: float) -> float:
    """What the Job takes that brings weights from the Hub into a bucket."""
    row = read_yaml("durations.yaml")["filling"]
    return float(row["seconds"]) + weights_gib * float(row["perGib"])


def precompile_workers(device_gib: float) -> int:
    """How many programs a server compiles at once on devices with so much memory."""
    steps = read_yaml("durations.yaml")["precompileWorkers"]["steps"]
    return next(int(step["workers"]) for step in steps if device_gib >= step["gib"])


def server_start_seconds() -> float:
    """From the start of the server's container until it answers, as measured (field issue 8)."""
    start = read_yaml("durations.yaml")["modelStart"]
    return sum(float(start[key]["seconds"]) for key in ("server", "compile"))


def startup_budget_seconds(weights_gib: float, context_length: int, hosts: int, *, streamed: bool = False) -> int:
    """What a server may take until it answers with a cold cache: an hour at least, as upstream's guides allow.

    More for weights that are read into the chips from disk, or `streamed` from a bucket, for contexts beyond the one those guides have, and for several
    hosts, which compile together.
    """
    budget = read_yaml("durations.yaml")["startupBudget"]
    seconds = float(budget["seconds"]) + weights_gib * float(
        budget["streamedPerGib" if streamed else "perGib"]["seconds"]
    )
    doublings = max(0.0, math.log2(context_length / budget["context"]["tokens"]))
    seconds *= 1 + doublings * float(budget["context"]["share"])
    seconds *= 1 + (float(budget["hosts"]["share"]) if hosts > 1 else 0)
    return round(min(seconds, float(budget["most"])))
