"""Metrics of the endpoint picker: deployed names, and those of the picker of a rehearsal. Data: `data/picker_metrics.yaml`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from catalog.files import read_yaml


@dataclass(frozen=True)
class PickerMetric:
    """One metric under the deployed picker's name. A counter's name ends in `_total`; a histogram's series add `_bucket`,
    `_sum` and `_count`. `was` and `relabel` (name of before -> name) are told in the data file."""

    name: str
    type: Literal["counter", "gauge", "histogram"]
    labels: Sequence[str]
    was: str = ""
    relabel: Mapping[str, str] = field(default_factory=dict)


@cache
def picker_metrics() -> dict[str, PickerMetric]:
    """All of the deployed picker, by name."""
    rows = read_yaml("picker_metrics.yaml")["metrics"]
    return {name: PickerMetric(name, **row) for name, row in rows.items()}
