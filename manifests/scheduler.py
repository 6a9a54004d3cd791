"""The endpoint picker: its configuration in full, and the pool it picks from."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from catalog.gke import facts
from settings import names
from settings.derive import SERVER_PORT, ServedModel

_FOLDER = Path(__file__).parent / "epp"
# What KServe writes on every pod of a service, servers and picker.
PART_OF = {"app.kubernetes.io/part-of": "llminferenceservice"}
PICKER_METRICS_PORT = "metrics"


@cache
def _read(profile: str) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((_FOLDER / f"{profile}.yaml").read_text(encoding="utf-8"))
    return config


def picker_config(model: ServedModel) -> dict[str, Any]:
    """The EndpointPickerConfig of a model's scheduler profile; a copy, free to change.

    With the queue on, requests wait in the picker while every replica is busy, and their number is a metric (KEDA).
    """
    config = copy.deepcopy(_read(model.settings.scheduler_profile))
    return {**config, "featureGates": ["flowControl"]} if model.picker_queue else config


def server_labels(model: ServedModel) -> dict[str, str]:
    """Labels that KServe writes on the pods of a model's servers."""
    return {
        "app.kubernetes.io/name": model.name,
        **PART_OF,
        "kserve.io/component": "workload",
    }


def scheduler(model: ServedModel) -> dict[str, Any]:
    """`spec.router.scheduler`: pool and configuration, nothing left to the controller's changing defaults (KS10)."""
    return {
        "config": {"inline": picker_config(model)},
        "pool": {
            "spec": {
                "selector": {"matchLabels": server_labels(model)},
                "targetPorts": [{"number": SERVER_PORT}],
                "endpointPickerRef": {
                    "kind": "Service",
                    "name": names.picker_service(model.name),
                    "port": {"number": facts()["pickerPorts"][0]},
                    "failureMode": model.settings.picker_failure_mode,
                },
            }
        },
    }
