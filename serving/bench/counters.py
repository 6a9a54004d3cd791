"""What the servers and the picker count themselves: cached prefixes, tokens by replica, requests that run and wait."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from serving.verify.cluster import CannotAskError, KubeObject
from serving.verify.context import Context
from serving.verify.servers import (
    metric_sums,
    metrics_page,
    picker_page,
    picker_token,
    pickers,
    prefix_share,
    ready_servers,
)
from serving.verify.symptoms import SymptomError
from settings.outputs import ModelOutput

# Field of `Server` -> vLLM's metric (vllm 0.27.0 v1/metrics/loggers.py).
_METRICS = {
    "prefix_hits": "vllm:prefix_cache_hits_total",
    "prefix_queries": "vllm:prefix_cache_queries_total",
    "generated": "vllm:generation_tokens_total",
    "running": "vllm:num_requests_running",
    "waiting": "vllm:num_requests_waiting",
}


@dataclass(frozen=True)
class Server:
    """Counters of one server: tokens since its start; `running` and `waiting` are requests at this moment."""

    name: str
    prefix_hits: float
    prefix_queries: float
    generated: float
    running: float
    waiting: float


@dataclass(frozen=True)
class Reading:
    """All servers at one moment of this machine's clock, in seconds; what could not be asked is said in `missing`.

    `picker`: sum and count of the shares of a prompt that the picker found on the replica it looked at.
    """

    clock: float
    servers: tuple[Server, ...] = ()
    picker: tuple[float, float] | None = None
    missing: tuple[str, ...] = ()

    @classmethod
    def parse(cls, data: dict[str, Any]) -> Reading:
        """A reading as `asdict` wrote it."""
        picker = data["picker"]
        servers = tuple(Server(**server) for server in data["servers"])
        return cls(data["clock"], servers, tuple(picker) if picker else None, tuple(data["missing"]))

    def as_json(self) -> dict[str, Any]:
        """For the run's file."""
        return asdict(self)


def read(context: Context, model: ModelOutput) -> Reading:
    """Ask every server of a model and its picker."""
    missing: list[str] = []
    servers: list[Server] = []
    picker: tuple[float, float] | None = None
    context.cluster.forget()
    try:
        for pod in ready_servers(context, model):
            name = pod["metadata"]["name"]
            try:
                servers.append(server_of(name, metrics_page(context, pod)))
            except (CannotAskError, SymptomError, ValueError) as error:
                missing.append(f"server {name}: {error}")
        for pod in pickers(context, model):
            picker = _picker(context, pod, missing)
    except CannotAskError as error:
        missing.append(str(error))
    return Reading(time.monotonic(), tuple(servers), picker, tuple(missing))


def _picker(context: Context, pod: KubeObject, missing: list[str]) -> tuple[float, float] | None:
    try:
        return prefix_share(picker_page(context, pod, picker_token(context)))
    except (CannotAskError, SymptomError, ValueError) as error:
        missing.append(f"picker {pod['metadata']['name']}: {error}")
        return None


def server_of(name: str, page: str) -> Server:
    """The counters on a server's page.

    Raises:
        ValueError: one of them is not there.
    """
    found = metric_sums(page, _METRICS.values())
    lacking = [metric for metric in _METRICS.values() if metric not in found]
    if lacking:
        raise ValueError(f"no metric {', '.join(lacking)}")
    return Server(name, **{field: found[metric] for field, metric in _METRICS.items()})
