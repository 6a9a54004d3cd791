"""The key-value cache: what is shared, what is forgotten, when there is no room."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rehearsal.model_server.blocks import Blocks, Held


def words(text: str) -> list[str]:
    return text.split()


def held(blocks: Blocks, prompt: str, more: int = 0) -> Held:
    taken = blocks.take(words(prompt), len(words(prompt)) + more)
    assert taken is not None
    return taken


def test_full_blocks_of_a_beginning_are_found_again_and_the_last_token_is_computed() -> None:
    blocks = Blocks(size=10, tokens=2, caching=True)
    first = held(blocks, "a b c d e")
    assert first.cached_tokens == 0
    blocks.give_back(first, words("a b c d e"))
    assert held(blocks, "a b c d z").cached_tokens == 4
    assert held(blocks, "a b c d").cached_tokens == 2
    assert held(blocks, "x b c d").cached_tokens == 0


def test_the_answer_is_part_of_the_next_turns_prefix() -> None:
    blocks = Blocks(size=10, tokens=2, caching=True)
    blocks.give_back(held(blocks, "a b", more=2), words("a b r s"))
    assert held(blocks, "a b r s z").cached_tokens == 4


def test_without_prefix_caching_nothing_is_found() -> None:
    blocks = Blocks(size=10, tokens=2, caching=False)
    blocks.give_back(held(blocks, "a b c d"), words("a b c d"))
    assert held(blocks, "a b c d").cached_tokens == 0


def test_the_longest_unused_is_forgotten_first_and_the_end_before_the_beginning() -> None:
    blocks = Blocks(size=4, tokens=2, caching=True)
    for prompt in ("a b c d", "e f g h"):
        blocks.give_back(held(blocks, prompt), words(prompt))
    # Room for one block more: the end of the first prompt goes.
    blocks.give_back(held(blocks, "i j"), words("i j"))
    assert held(blocks, "a b c d z").cached_tokens == 2


def test_what_runs_is_never_forgotten_and_a_full_pool_makes_wait() -> None:
    blocks = Blocks(size=3, tokens=2, caching=True)
    first = held(blocks, "a b c d", more=2)
    assert blocks.take(words("x y"), 2) is None
    # A shared beginning needs no block of its own.
    assert blocks.take(words("a b"), 2) is not None
    assert blocks.usage([(first, 6)]) == 1.0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9), st.booleans()), max_size=40))
def test_the_pool_is_never_overfull_and_empty_in_the_end(steps: list[tuple[int, int, bool]]) -> None:
    blocks = Blocks(size=5, tokens=2, caching=True)
    running: list[tuple[Held, list[str]]] = []
    for seed, length, end in steps:
        if end and running:
            blocks.give_back(*running.pop(0))
        elif (taken := blocks.take(prompt := [f"{seed}"] * length, length + 1)) is not None:
            running.append((taken, prompt))
        assert 0 <= blocks.usage((taken, len(prompt) + 1) for taken, prompt in running) <= 1
    for taken, prompt in running:
        blocks.give_back(taken, prompt)
    assert blocks.usage([]) == 0
    assert blocks.take(["new"] * 10, 10) is not None
