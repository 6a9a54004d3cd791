"""Metrics of the deployed picker, the server, Kubernetes and Google by their PromQL names. Data: `data/metrics.yaml`, `data/picker_metrics.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from catalog.files import read_yaml
from catalog.picker_metrics import picker_metrics
from catalog.records import record

TTFT = "vllm:time_to_first_token_seconds"


@dataclass(frozen=True)
class Metric:
    """A metric; `origin` is who exposes it, `buckets` are a histogram's upper edges in seconds, `resource` is Google's type."""

    name: str
    origin: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    buckets: tuple[float, ...] = ()
    resource: str = ""

    @property
    def series(self) -> tuple[str, ...]:
        """Names of its time series."""
        if self.kind != "histogram":
            return (self.name,)
        return tuple(f"{self.name}_{part}" for part in ("bucket", "count", "sum"))


@cache
def load_metrics() -> dict[str, Metric]:
    """All metrics by name."""
    rows: dict[str, dict[str, Any]] = read_yaml("metrics.yaml")["metrics"]
    picker = {m.name: Metric(m.name, "picker", m.type, tuple(m.labels)) for m in picker_metrics().values()}
    return picker | {
        name: record(Metric, row, name=name, origin=origin)
        for origin, named in rows.items()
        for name, row in named.items()
    }


def ttft_edges() -> tuple[int, ...]:
    """Edges of the server's histogram of times to the first token, in ms."""
    return tuple(round(edge * 1000) for edge in load_metrics()[TTFT].buckets)


def edge_below(milliseconds: int) -> int:
    """The edge by which an objective is counted: the largest one that is not above it; the first one for less than that."""
    edges = ttft_edges()
    return max((edge for edge in edges if edge <= milliseconds), default=edges[0])
