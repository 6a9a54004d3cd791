"""Prompts and answers without a server: tokens, stop strings, the end of an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehearsal.model_server.tokens import Limits, answer_to, chat_prompt, tokenize


def text(limits: Limits) -> str:
    return "".join(answer_to(["hello"], limits).pieces)


def test_an_answer_is_synthetic_for_all_to_see_and_the_same_for_the_same_prompt() -> None:
    limits = Limits(max_tokens=100, natural_tokens=20)
    assert text(limits).startswith("[synthetic answer of rehearsal model server]")
    assert answer_to(["a"], limits) == answer_to(["a"], limits)
    assert answer_to(["a"], limits) != answer_to(["b"], limits)


@pytest.mark.parametrize(
    ("limits", "tokens", "reason"),
    [
        (Limits(max_tokens=5, natural_tokens=20), 5, "length"),
        (Limits(max_tokens=100, natural_tokens=20), 20, "stop"),
        (Limits(max_tokens=100, natural_tokens=20, ignore_end=True), 100, "length"),
    ],
)
def test_an_answer_ends_at_its_limit_or_by_itself(limits: Limits, tokens: int, reason: str) -> None:
    answer = answer_to(["hello"], limits)
    assert (len(answer.pieces), answer.finish_reason, answer.stop_reason) == (tokens, reason, None)


@given(st.integers(min_value=0, max_value=200), st.integers(min_value=1, max_value=30), st.booleans())
def test_a_stop_string_ends_the_answer_where_it_first_occurs(start: int, length: int, keep: bool) -> None:
    whole = text(Limits(max_tokens=60, natural_tokens=60))
    stop = whole[start : start + length]
    answer = answer_to(["hello"], Limits(max_tokens=60, natural_tokens=60, stop=("absent", stop), keep_stop=keep))
    first = whole.index(stop)
    assert "".join(answer.pieces) == whole[: first + (len(stop) if keep else 0)]
    assert (answer.finish_reason, answer.stop_reason) == ("stop", stop)
    # The token that completes the stop string is generated too, and counted.
    assert len(answer.pieces) == len(whole[: first + len(stop)].split(" "))


def test_of_two_stop_strings_the_one_that_is_complete_first_counts() -> None:
    answer = answer_to(["hello"], Limits(60, 60, stop=("server]", "rehearsal")))
    assert answer.stop_reason == "rehearsal"


def test_a_prompt_is_counted_in_words_and_long_words_in_parts() -> None:
    assert tokenize("one two  three\n", at_most=10) == ["one", "two", "three"]
    assert len(tokenize("x" * 33, at_most=10)) == 3
    assert len(tokenize("x " * 1000, at_most=10)) == 10


def test_conversations_with_the_same_beginning_have_prompts_with_the_same_beginning() -> None:
    first = [("system", "be brief"), ("user", "hello")]
    one, two = chat_prompt(first), chat_prompt([*first, ("assistant", "hi"), ("user", "more")])
    assert two.startswith(one.removesuffix("<assistant> "))
