"""The page of metrics is kept while nothing moves, and never older than the last request."""

from __future__ import annotations

import asyncio

from rehearsal.model_server.blocks import Blocks
from rehearsal.model_server.engine import Engine
from rehearsal.model_server.metrics import Metrics
from rehearsal.model_server.timing import Timing
from rehearsal.model_server.tokens import Limits, answer_to
from serving.live.servers import metric_sums

FAST = Timing(speed=1, server_seconds=0, compile_seconds=0, tokens_per_second=1000, prefill_tokens_per_second=1_000_000)


def value(page: bytes, name: str) -> float:
    return metric_sums(page.decode(), [name])[name]


def test_a_page_is_current_before_while_and_after_requests_and_kept_in_between() -> None:
    metrics = Metrics("model")
    engine = Engine(Blocks(size=100, tokens=2, caching=True), FAST, 4, metrics)

    async def requests() -> None:
        worker = asyncio.create_task(engine.run())
        for count in range(1, 4):
            idle = metrics.page()
            assert metrics.page() is idle, "rendered again although nothing moved"
            sequence = engine.submit(["a", "b", "c"], answer_to(["a", "b", "c"], Limits(5, 5)))
            assert value(metrics.page(), "vllm:num_requests_running") == 1
            await engine.until_idle()
            page = metrics.page()
            assert sequence.finish_reason is not None
            assert value(page, "vllm:num_requests_running") == 0
            assert value(page, "vllm:prompt_tokens_total") == 4 * count - 1
            assert value(page, "vllm:generation_tokens_total") == 6 * count - 1
            # One that nobody looked at while it ran.
            engine.submit(["d"], answer_to(["d"], Limits(1, 1)))
            await engine.until_idle()
            assert value(metrics.page(), "vllm:generation_tokens_total") == 6 * count
        worker.cancel()

    asyncio.run(requests())
