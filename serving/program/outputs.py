"""The stack outputs that an environment's file leads to, before its first `up` has ended."""

from __future__ import annotations

from pathlib import Path

from cluster.outputs import parse_outputs
from serving.program.record import record
from settings import names
from settings.document import read_document
from settings.outputs import Outputs


def planned_outputs(environment: Path) -> Outputs:
    """What the stack will export. No address is known yet: URLs name the host `unknown`.

    Raises:
        RefusedError: the file is refused.
    """
    outputs = record(read_document(environment)).outputs
    base = f"{outputs['gateway']['scheme']}://unknown"
    models = [
        {**model, "url": base + names.base_path(outputs["namespace"], model["name"])} for model in outputs["models"]
    ]
    return parse_outputs({**outputs, "baseUrl": base, "models": models}, str(environment))
