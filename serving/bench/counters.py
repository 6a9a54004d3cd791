"""What the servers and the picker count themselves: cached prefixes, tokens by replica, requests that run and wait."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from serving.verify.cluster import CannotAskError, KubeObject
from serving.verify.context import Context
from serving.verify.servers import metrics_page, picker_page, pickers, ready_servers
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
# A histogram of the picker, 0 to 1; releases differ in what stands before it.
_PICKER = "prefix_indexer_hit_ratio"


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
        page = picker_page(context, pod, _token(context))
        return _ratio(page)
    except (CannotAskError, SymptomError, ValueError) as error:
        missing.append(f"picker {pod['metadata']['name']}: {error}")
        return None


def _token(context: Context) -> str | None:
    """Token of the account that may read the picker's metrics, where we may read its Secret."""
    from manifests.monitoring import READER

    for secret in context.objects("v1", "Secret"):
        if secret["metadata"]["name"] == READER:
            return base64.b64decode((secret.get("data") or {}).get("token", "")).decode("ascii") or None
    return None


def server_of(name: str, page: str) -> Server:
    """The counters on a server's page.

    Raises:
        ValueError: one of them is not there.
    """
    found = _sums(page, _METRICS.values())
    lacking = [metric for metric in _METRICS.values() if metric not in found]
    if lacking:
        raise ValueError(f"no metric {', '.join(lacking)}")
    return Server(name, **{field: found[metric] for field, metric in _METRICS.items()})


def _ratio(page: str) -> tuple[float, float] | None:
    found = _sums(page, (), ending=(f"{_PICKER}_sum", f"{_PICKER}_count"))
    sums = [value for name, value in found.items() if name.endswith("_sum")]
    counts = [value for name, value in found.items() if name.endswith("_count")]
    # Where a release writes it under two names, both are the same.
    return (sums[0], counts[0]) if sums and counts else None


def _sums(page: str, names: Iterable[str], ending: tuple[str, ...] = ()) -> dict[str, float]:
    """Samples of some metrics, all label sets of each together."""
    from prometheus_client.parser import text_string_to_metric_families

    wanted, found = set(names), dict[str, float]()
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name in wanted or (ending and sample.name.endswith(ending)):
                found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found
