"""The engine: a queue, a batch of running requests, and tokens that come at a rate. Source: vllm 0.27.0 v1/core/sched.

Times are of the event loop's clock. A pass every few hundredths of a second hands out the tokens that are due, several at
once where a pass is longer than a token: a slow reader of the real server gets them merged as well (v1/engine/
output_processor.py, RequestOutputCollector).
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from rehearsal.model_server.blocks import Blocks, Held
from rehearsal.model_server.metrics import Metrics
from rehearsal.model_server.timing import Timing
from rehearsal.model_server.tokens import Answer

_SHORTEST_PASS = 0.02
# So many running requests make a pass twice as long: less work with the same tokens a second.
_LONG_BATCH = 100
CUT = "cut"


class CutError(Exception):
    """The engine is gone and the rest of an answer with it."""


@dataclass(eq=False)
class Sequence:
    """One request in the engine. `emitted` tokens of the answer are there; `finish_reason` is None until the last."""

    prompt: list[str]
    answer: Answer
    arrived: float
    emitted: int = 0
    finish_reason: str | None = None
    cached_tokens: int = 0
    started: float = 0.0
    first_token: float = 0.0
    held: Held | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def tokens(self) -> int:
        """Tokens in the cache by now."""
        return len(self.prompt) + self.emitted

    async def more(self, than: int) -> int:
        """Wait until there are more tokens than `than`, or the end; the number of tokens. Raises CutError."""
        while self.emitted <= than and self.finish_reason is None:
            self._changed.clear()
            await self._changed.wait()
        if self.finish_reason == CUT:
            raise CutError
        return self.emitted

    def notify(self) -> None:
        """Wake whoever waits."""
        self._changed.set()


class Engine:
    """Runs at most `max_num_seqs` requests at once; the others wait in the order they came."""

    def __init__(self, blocks: Blocks, timing: Timing, max_num_seqs: int, metrics: Metrics) -> None:
        self._blocks = blocks
        self._timing = timing
        self._max_num_seqs = max_num_seqs
        self._metrics = metrics
        self._waiting: deque[Sequence] = deque()
        self._running: dict[Sequence, None] = {}
        self._prefill_free = 0.0
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.draining = False
        metrics.watch(
            lambda: len(self._running),
            lambda: len(self._waiting),
            lambda: blocks.usage((s.held, s.tokens) for s in self._running if s.held),
        )

    def submit(self, prompt: list[str], answer: Answer) -> Sequence:
        """Queue a request. While draining it is over at once, aborted without a token."""
        now = _now()
        sequence = Sequence(prompt, answer, now)
        if self.draining:
            sequence.finish_reason = "abort"
            return sequence
        self._metrics.moving()
        self._waiting.append(sequence)
        self._idle.clear()
        self._admit(now)
        self._work.set()
        return sequence

    def abort(self, sequence: Sequence) -> None:
        """The client is gone: its place is free at once. Nothing for a request that has ended."""
        if sequence.finish_reason is None:
            self._end(sequence, "abort")
            self._admit(_now())

    def end_all(self, reason: Literal["abort", "cut"]) -> None:
        """Abort every request, which tells its client, or cut them all, which does not."""
        for sequence in [*self._running, *self._waiting]:
            self._end(sequence, reason)

    @property
    def unfinished(self) -> int:
        """Requests that run or wait."""
        return len(self._running) + len(self._waiting)

    async def until_idle(self) -> None:
        """Wait until no request runs or waits."""
        await self._idle.wait()

    async def run(self) -> None:
        """Work for ever."""
        while True:
            if not self._running:
                self._work.clear()
                await self._work.wait()
            now = _now()
            for sequence in [*self._running]:
                self._advance(sequence, now)
            self._admit(now)
            batch = 1 + len(self._running) / _LONG_BATCH
            await asyncio.sleep(max(_SHORTEST_PASS * batch, 1 / self._timing.tokens_per_second))

    def _admit(self, now: float) -> None:
        while self._waiting and len(self._running) < self._max_num_seqs:
            sequence = self._waiting[0]
            held = self._blocks.take(sequence.prompt, len(sequence.prompt) + len(sequence.answer.pieces))
            if held is None:
                return
            self._waiting.popleft()
            self._running[sequence] = None
            self._start(sequence, held, now)

    def _start(self, sequence: Sequence, held: Held, now: float) -> None:
        sequence.held, sequence.started, sequence.cached_tokens = held, now, held.cached_tokens
        # One prefill after the other, each as long as the tokens that are not cached.
        computed = len(sequence.prompt) - held.cached_tokens
        self._prefill_free = max(now, self._prefill_free) + computed / self._timing.prefill_tokens_per_second
        sequence.first_token = self._prefill_free
        if self._blocks.caching:
            self._metrics.prefix_queries.inc(len(sequence.prompt))
            self._metrics.prefix_hits.inc(held.cached_tokens)
        self._metrics.queue.observe(now - sequence.arrived)

    def _advance(self, sequence: Sequence, now: float) -> None:
        if now < sequence.first_token:
            return
        total = len(sequence.answer.pieces)
        due = min(total, 1 + int((now - sequence.first_token) * self._timing.tokens_per_second))
        if due <= sequence.emitted:
            return
        if sequence.emitted == 0:
            self._metrics.prompt_tokens.inc(len(sequence.prompt))
            self._metrics.first_token.observe(sequence.first_token - sequence.arrived)
        self._metrics.generation_tokens.inc(due - sequence.emitted)
        sequence.emitted = due
        if due == total:
            self._end(sequence, sequence.answer.finish_reason)
        sequence.notify()

    def _end(self, sequence: Sequence, reason: str) -> None:
        sequence.finish_reason = reason
        if sequence.held is not None:
            answered = [piece.strip() for piece in sequence.answer.pieces[: sequence.emitted]]
            self._blocks.give_back(sequence.held, [*sequence.prompt, *answered])
            sequence.held = None
        self._running.pop(sequence, None)
        if sequence in self._waiting:
            self._waiting.remove(sequence)
        if reason in {"stop", "length"}:
            self._metrics.success[reason].inc()
            self._metrics.latency.observe(_now() - sequence.arrived)
        if not self.unfinished:
            self._idle.set()
        sequence.notify()


def _now() -> float:
    return asyncio.get_running_loop().time()
