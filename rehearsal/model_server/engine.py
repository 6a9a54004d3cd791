"""The engine: a batch with a queue before it, tokens that come at a rate, and the prefix cache.

Source: vllm 0.27.0 v1/core/sched, v1/core/kv_cache_manager.py. Simpler than there: a request waits for a place in the batch
only, never for room in the cache, and nothing is preempted.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from catalog.metrics import load_metrics
from rehearsal.model_server.answers import Answer
from rehearsal.model_server.options import Options

# Tokens are handed out this often, several at once; with 200 requests three times as rarely, to spare the machine.
_PASS_SECONDS = 0.02
_LONG_BATCH = 100


class Metrics:
    """What picker, verify and bench read, under vLLM's names (vllm 0.27.0 v1/metrics/loggers.py)."""

    def __init__(self, options: Options) -> None:
        self.registry = CollectorRegistry()
        labels = {"model_name": options.names[0], "engine": "0"}
        gauge = partial(Gauge, labelnames=[*labels], registry=self.registry)
        counter = partial(Counter, labelnames=[*labels], registry=self.registry)
        self.running = gauge("vllm:num_requests_running", "Requests in execution batches.").labels(**labels)
        self.waiting = gauge("vllm:num_requests_waiting", "Requests waiting to be processed.").labels(**labels)
        self.usage = gauge("vllm:kv_cache_usage_perc", "KV-cache usage, 1 is all of it.").labels(**labels)
        self.queries = counter("vllm:prefix_cache_queries", "Prefix cache queries, in tokens.").labels(**labels)
        self.hits = counter("vllm:prefix_cache_hits", "Prefix cache hits, in cached tokens.").labels(**labels)
        self.generated = counter("vllm:generation_tokens", "Generation tokens processed.").labels(**labels)
        self.prompted = counter("vllm:prompt_tokens", "Prefill tokens processed.").labels(**labels)
        self.first_token, self.between_tokens = (
            Histogram(name, "Seconds.", labels, buckets=load_metrics()[name].buckets, registry=self.registry).labels(
                **labels
            )
            for name in ("vllm:time_to_first_token_seconds", "vllm:inter_token_latency_seconds")
        )
        self.http = Counter(
            "http_requests", "Total number of requests.", ["method", "status", "handler"], registry=self.registry
        )
        names = [*labels, "finished_reason"]
        success = Counter("vllm:request_success", "Requests processed.", names, registry=self.registry)
        self.success = {reason: success.labels(**labels, finished_reason=reason) for reason in ("stop", "length")}
        cache = {"block_size": str(options.block_size), "num_gpu_blocks": str(options.num_blocks)}
        Gauge("vllm:cache_config_info", "CacheConfig.", [*cache], registry=self.registry).labels(**cache).set(1)


class PrefixCache:
    """At most `size` blocks of `tokens` tokens; the longest unused go first, the end of a prompt before its beginning."""

    def __init__(self, size: int, tokens: int) -> None:
        self._size = size
        self._tokens = tokens
        self._blocks: OrderedDict[int, None] = OrderedDict()

    def hits(self, prompt: Sequence[str]) -> int:
        """Tokens at the beginning of a prompt that are cached. The last token is always computed."""
        count = 0
        for block in self._keys(prompt[:-1]):
            if block not in self._blocks:
                break
            count += self._tokens
        return count

    def add(self, sequence: Sequence[str]) -> None:
        """Keep the full blocks of a prompt, or of a prompt with its answer."""
        for block in reversed(self._keys(sequence)):
            self._blocks[block] = None
            self._blocks.move_to_end(block)
        while len(self._blocks) > self._size:
            self._blocks.popitem(last=False)

    def _keys(self, tokens: Sequence[str]) -> list[int]:
        keys = [0]
        for end in range(self._tokens, len(tokens) + 1, self._tokens):
            keys.append(hash((keys[-1], *tokens[end - self._tokens : end])))
        return keys[1:]


class Engine:
    """Runs at most `max_num_seqs` requests at once; the others wait in the order they came.

    While `draining`, new requests are aborted; `idle` is set as long as no request runs or waits.
    """

    def __init__(self, options: Options, metrics: Metrics) -> None:
        self._options = options
        self._metrics = metrics
        self._cache = PrefixCache(options.num_blocks, options.block_size)
        self._places = asyncio.Semaphore(options.max_num_seqs)
        self._prefill_free = 0.0
        self._present = self._held = 0  # requests, and their tokens in the cache
        self.draining = False
        self.idle = asyncio.Event()
        self.idle.set()

    async def generate(self, answer: Answer) -> AsyncGenerator[int, None]:
        """How many tokens of the answer are there, each time there are more. Closing it frees the place at once."""
        if answer.finish_reason == "abort":
            return
        self._present += 1
        self.idle.clear()
        came = asyncio.get_running_loop().time()
        try:
            with self._metrics.waiting.track_inprogress():
                await self._places.acquire()
            try:
                with self._metrics.running.track_inprogress():
                    async for count in self._run(answer, came):
                        yield count
            finally:
                self._places.release()
        finally:
            self._present -= 1
            if not self._present:
                self.idle.set()

    async def _run(self, answer: Answer, came: float) -> AsyncGenerator[int, None]:
        loop, rate, total = asyncio.get_running_loop(), self._options.timing.tokens_per_second, len(answer.pieces)
        first = loop.time() + self._prefill(answer.prompt)
        await asyncio.sleep(first - loop.time())
        self._hold(len(answer.prompt))
        self._metrics.prompted.inc(len(answer.prompt))
        emitted, last = 0, came
        try:
            while emitted < total:
                due = min(total, 1 + int((loop.time() - first) * rate)) - emitted
                if due > 0:
                    self._metrics.generated.inc(due)
                    now = loop.time()
                    took = self._metrics.between_tokens if emitted else self._metrics.first_token
                    took.observe((now - last) / (due if emitted else 1))
                    last = now
                    self._hold(due)
                    emitted += due
                    yield emitted
                left = first + (total - 1) / rate - loop.time()
                step = max(_PASS_SECONDS * (1 + self._present / _LONG_BATCH), 1 / rate)
                await asyncio.sleep(min(step, max(left, 0.0)))
        finally:
            self._hold(-len(answer.prompt) - emitted)
        self._cache.add([*answer.prompt, *answer.pieces])
        self._metrics.success[answer.finish_reason].inc()

    def _prefill(self, prompt: Sequence[str]) -> float:
        """Seconds until a prompt is computed: one after the other, each without the tokens that are cached."""
        cached = 0
        if self._options.prefix_caching:
            cached = self._cache.hits(prompt)
            self._cache.add(prompt)
            self._metrics.queries.inc(len(prompt))
            self._metrics.hits.inc(cached)
        now = asyncio.get_running_loop().time()
        seconds = (len(prompt) - cached) / self._options.timing.prefill_tokens_per_second
        self._prefill_free = max(now, self._prefill_free) + seconds
        return self._prefill_free - now

    def _hold(self, tokens: int) -> None:
        self._held += tokens
        self._metrics.usage.set(min(1.0, self._held / (self._options.num_blocks * self._options.block_size)))
