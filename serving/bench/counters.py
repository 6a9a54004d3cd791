"""What the servers and the picker count themselves: cached prefixes, tokens by replica, requests that run and wait."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from cluster.errors import CannotAskError
from cluster.reading import KubeObject
from serving.live.context import Context
from serving.live.request_errors import RequestError
from serving.live.servers import (
    metric_sums,
    metrics_page,
    picker_page,
    picker_token,
    pickers,
    prefix_share,
    ready_servers,
)
from settings.outputs import ModelOutput

Answer = TypeVar("Answer")

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
    """Counters of one server at one moment of this machine's clock, in seconds: tokens since its start.

    `running` and `waiting` are requests at that moment.
    """

    name: str
    clock: float
    prefix_hits: float
    prefix_queries: float
    generated: float
    running: float
    waiting: float


@dataclass(frozen=True)
class Reading:
    """All servers at about one moment; what could not be asked is said in `missing`.

    `picker`: sum and count of the shares of a prompt that the picker found on the replica it looked at.
    """

    servers: tuple[Server, ...] = ()
    picker: tuple[float, float] | None = None
    missing: tuple[str, ...] = ()

    @classmethod
    def parse(cls, data: dict[str, Any]) -> Reading:
        """A reading as `as_json` wrote it."""
        picker = data["picker"]
        servers = tuple(Server(**server) for server in data["servers"])
        return cls(servers, tuple(picker) if picker else None, tuple(data["missing"]))

    def as_json(self) -> dict[str, Any]:
        """For the run's file."""
        return asdict(self)


class Counters:
    """Asks every server of a model and its picker, side by side; whom to ask is looked up before it matters."""

    def __init__(self, context: Context, model: ModelOutput) -> None:
        self._context, self._model = context, model
        self._servers: list[KubeObject] = []
        self._pickers: list[KubeObject] = []
        self._token: str | None = None
        self._missing: list[str] = []
        self._look_up()

    def read(self) -> Reading:
        """The counters now."""
        missing = [*self._missing]
        with ThreadPoolExecutor(max(1, len(self._servers) + len(self._pickers))) as asking:
            servers = [(pod, asking.submit(self._server, pod)) for pod in self._servers]
            pickers = [(pod, asking.submit(self._picker, pod)) for pod in self._pickers]
        found = [server for pod, future in servers if (server := _result(pod, future, missing)) is not None]
        ratios = [ratio for pod, future in pickers if (ratio := _result(pod, future, missing)) is not None]
        # Pods come and go: the next reading asks those that are there then.
        self._look_up()
        return Reading(tuple(found), ratios[0] if ratios else None, tuple(missing))

    def _look_up(self) -> None:
        self._missing = []
        self._context.cluster.forget()
        try:
            self._servers = ready_servers(self._context, self._model)
            self._pickers = pickers(self._context, self._model)
            self._token = picker_token(self._context) if self._pickers else None
        except CannotAskError as error:
            self._missing.append(str(error))

    def _server(self, pod: KubeObject) -> Server:
        page = metrics_page(self._context, pod)
        return server_of(pod["metadata"]["name"], time.monotonic(), page)

    def _picker(self, pod: KubeObject) -> tuple[float, float] | None:
        return prefix_share(picker_page(self._context, pod, self._token))


def _result(pod: KubeObject, future: Future[Answer], missing: list[str]) -> Answer | None:
    try:
        return future.result()
    except (CannotAskError, RequestError, ValueError) as error:
        missing.append(f"{pod['metadata']['name']}: {error}")
        return None


def server_of(name: str, clock: float, page: str) -> Server:
    """The counters on a server's page.

    Raises:
        ValueError: one of them is not there.
    """
    found = metric_sums(page, _METRICS.values())
    lacking = [metric for metric in _METRICS.values() if metric not in found]
    if lacking:
        raise ValueError(f"no metric {', '.join(lacking)}")
    return Server(name, clock, **{field: found[metric] for field, metric in _METRICS.items()})
