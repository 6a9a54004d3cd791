"""How long the steps of `pulumi up` take, in seconds; dated figures for an estimate. Data: `data/durations.yaml`."""

from __future__ import annotations

from typing import Any

from catalog.files import read_yaml

_JOB = "kubernetes:batch/v1:Job"
_RELEASE = "kubernetes:helm.sh/v3:Release"
_SERVICE = "kubernetes:serving.kserve.io/v1alpha2:LLMInferenceService"


def seconds_of(type_token: str, inputs: dict[str, Any]) -> float:
    """Seconds to create a resource of this type; a chart's or Job's by its name, a model's from its weights and its start."""
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
    return float(row["seconds"])


def model_start_seconds(weights_gib: float) -> float:
    """From an empty pool to a ready server: node, image, weights, server, compilation."""
    start = read_yaml("durations.yaml")["modelStart"]
    fixed = sum(float(start[key]["seconds"]) for key in ("node", "image"))
    return fixed + server_start_seconds() + weights_gib * float(start["weightsPerGib"]["seconds"])


def server_start_seconds() -> float:
    """From the start of the server's container until it answers, as measured (field issue 8)."""
    start = read_yaml("durations.yaml")["modelStart"]
    return sum(float(start[key]["seconds"]) for key in ("server", "compile"))
