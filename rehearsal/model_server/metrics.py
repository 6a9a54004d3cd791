"""The metrics of the server under vLLM's names. Source: vllm 0.27.0 v1/metrics/loggers.py (PrometheusStatLogger)."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

# What vllm's FinishReason knows.
_REASONS = ("stop", "length", "abort", "error", "repetition")
_FIRST_TOKEN = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5),
    *(10.0, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0),
)
_LATENCY = (
    *(0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0),
    *(120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0),
)


class Metrics:
    """Counters are moved by the engine; the gauges ask it when somebody reads."""

    def __init__(self, model_name: str) -> None:
        self.registry = CollectorRegistry()
        self._labels = {"model_name": model_name, "engine": "0"}
        self._names = tuple(self._labels)
        self._unfinished: Callable[[], float] = lambda: 0
        self._idle_page: bytes | None = None
        self.prefix_queries = self._counter("vllm:prefix_cache_queries", "Prefix cache queries, in tokens.")
        self.prefix_hits = self._counter("vllm:prefix_cache_hits", "Prefix cache hits, in cached tokens.")
        self.prompt_tokens = self._counter("vllm:prompt_tokens", "Number of prefill tokens processed.")
        self.generation_tokens = self._counter("vllm:generation_tokens", "Number of generation tokens processed.")
        success = Counter(
            "vllm:request_success",
            "Count of successfully processed requests.",
            [*self._names, "finished_reason"],
            registry=self.registry,
        )
        self.success = {reason: success.labels(*self._labels.values(), reason) for reason in _REASONS}
        self.first_token = self._histogram("vllm:time_to_first_token_seconds", "Time to first token.", _FIRST_TOKEN)
        self.latency = self._histogram("vllm:e2e_request_latency_seconds", "End-to-end request latency.", _LATENCY)
        self.queue = self._histogram("vllm:request_queue_time_seconds", "Time spent in WAITING phase.", _LATENCY)

    def watch(self, running: Callable[[], float], waiting: Callable[[], float], usage: Callable[[], float]) -> None:
        """Name the functions that the gauges ask."""
        self._unfinished = lambda: running() + waiting()
        self._gauge("vllm:num_requests_running", "Number of requests in model execution batches.", running)
        self._gauge("vllm:num_requests_waiting", "Number of requests waiting to be processed.", waiting)
        self._gauge("vllm:kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.", usage)

    def cache_config(self, block_size: int, num_gpu_blocks: int, caching: bool) -> None:
        """The cache's configuration as labels, all of them texts."""
        values = {
            "block_size": str(block_size),
            "cache_dtype": "auto",
            "enable_prefix_caching": str(caching),
            "num_gpu_blocks": str(num_gpu_blocks),
            "engine": "0",
        }
        info = Gauge(
            "vllm:cache_config_info", "Information of the LLMEngine CacheConfig", [*values], registry=self.registry
        )
        info.labels(**values).set(1)

    def lora(self, max_loras: int) -> None:
        """The adapters' metric, which the server has with --enable-lora only; no adapter is ever loaded here."""
        names = ("max_lora", "waiting_lora_adapters", "running_lora_adapters")
        info = Gauge("vllm:lora_requests_info", "Running stats on lora requests.", names, registry=self.registry)
        info.labels(str(max_loras), "", "").set_to_current_time()

    def moving(self) -> None:
        """A request begins: from now on something may be different."""
        self._idle_page = None

    def page(self) -> bytes:
        """What /metrics answers. Kept while nothing runs or waits: the picker asks twenty times a second."""
        if self._idle_page is None:
            page = generate_latest(self.registry)
            if self._unfinished():
                return page
            self._idle_page = page
        return self._idle_page

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(name, text, self._names, registry=self.registry).labels(**self._labels)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, text, self._names, buckets=buckets, registry=self.registry).labels(**self._labels)

    def _gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        gauge = Gauge(name, text, self._names, registry=self.registry).labels(**self._labels)
        gauge.set_function(value)
