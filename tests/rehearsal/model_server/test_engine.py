"""Answers, the prefix cache and the batch, without a server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehearsal.model_server.answers import Answer, EmulatedRequest
from rehearsal.model_server.engine import Engine, Metrics, PrefixCache
from rehearsal.model_server.options import options_of, parse

CONTEXT = 300


def request(text: str, **more: object) -> EmulatedRequest:
    return EmulatedRequest.model_validate({"messages": [{"role": "user", "content": text}], **more})


@given(st.integers(0, 400), st.integers(1, 400), st.booleans())
def test_an_answer_ends_by_itself_or_at_its_limit_and_fits_into_the_context(
    words: int, tokens: int, ignore_eos: bool
) -> None:
    asked = request("w " * words, max_tokens=tokens, ignore_eos=ignore_eos)
    if words + 2 + tokens > CONTEXT:  # `<user>`, the words, `<assistant>`
        with pytest.raises(ValueError, match="maximum context length is 300 tokens"):
            Answer.to(asked, CONTEXT)
        return
    answer = Answer.to(asked, CONTEXT)
    assert answer == Answer.to(asked, CONTEXT)
    ends = tokens >= 64 and not ignore_eos
    assert len(answer.prompt) == words + 2
    assert (len(answer.pieces), answer.finish_reason) == ((64, "stop") if ends else (tokens, "length"))


def test_a_prompt_is_counted_in_words_and_long_words_in_parts() -> None:
    assert Answer.to(EmulatedRequest(prompt="one two  three\n"), CONTEXT).prompt == ["one", "two", "three"]
    assert len(Answer.to(EmulatedRequest(prompt="x" * 33), CONTEXT).prompt) == 3


words = st.lists(st.sampled_from("abc"), max_size=20)


@given(st.lists(words, max_size=8), words)
def test_hits_are_the_longest_known_beginning_in_full_blocks_without_the_last_token(
    known: list[list[str]], prompt: list[str]
) -> None:
    cache = PrefixCache(size=1000, tokens=3)
    for sequence in known:
        cache.add(sequence)
    blocks = [end for end in range(3, len(prompt), 3) if any(s[:end] == prompt[:end] for s in known)]
    assert cache.hits(prompt) == max(blocks, default=0)


def test_the_longest_unused_is_forgotten_first_and_the_end_before_the_beginning() -> None:
    cache = PrefixCache(size=4, tokens=2)
    for prompt in ("abcd", "efgh", "abcd", "ij"):
        cache.add([*prompt])
    assert [cache.hits([*prompt, "z"]) for prompt in ("abcd", "efgh", "ij")] == [4, 2, 2]


def engine_of(*flags: str, speed: int, rate: int) -> tuple[Engine, Metrics]:
    environment = {"REHEARSAL_SPEED": str(speed), "REHEARSAL_TOKENS_PER_SECOND": str(rate / speed)}
    options = options_of(parse(["serve", "/m", *flags]), environment)
    metrics = Metrics(options)
    return Engine(options, metrics), metrics


def value(metric: Any) -> float:
    return float(metric._value.get())


async def ask(engine: Engine, answer: Answer) -> None:
    async for _ in engine.generate(answer):
        pass


def test_requests_beyond_the_batch_wait_in_order_and_a_client_that_leaves_frees_its_place() -> None:
    async def scenario() -> None:
        engine, metrics = engine_of("--max-num-seqs=1", speed=1, rate=200)
        first = asyncio.create_task(ask(engine, Answer(["p"] * 10, ["t"] * 10**6, "length")))
        others = [asyncio.create_task(ask(engine, Answer(["p"], ["t"] * 2, "stop"))) for _ in range(2)]
        while not value(metrics.generated):
            await asyncio.sleep(0.01)
        assert (value(metrics.running), value(metrics.waiting)) == (1, 2)
        assert 0 < value(metrics.usage) < 1
        first.cancel()
        await others[0]
        assert not others[1].done()
        await engine.idle.wait()
        assert [value(one) for one in (metrics.running, metrics.waiting, metrics.usage)] == [0, 0, 0]
        assert (value(metrics.success["stop"]), value(metrics.success["length"])) == (2, 0)

    asyncio.run(scenario())


@pytest.mark.parametrize(("flag", "hits"), [("--enable-prefix-caching", 16), ("--no-enable-prefix-caching", 0)])
def test_prefix_hits_are_counted_in_tokens(flag: str, hits: int) -> None:
    engine, metrics = engine_of(flag, "--block-size=16", speed=1000, rate=1000)
    for last in ("one", "two"):
        asyncio.run(ask(engine, Answer([*"abcdefghijklmnop", last], ["t"], "stop")))
    assert (value(metrics.hits), value(metrics.queries)) == (hits, 34 if hits else 0)
