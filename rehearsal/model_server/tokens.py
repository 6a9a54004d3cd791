"""Tokens of the stand-in: a prompt as words, and the answer that will be given, with its end known in advance."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

# A word of more letters is several tokens, so that a prompt can't hide its length in one word.
_TOKEN = re.compile(r"\S{1,16}")
_OPENING = "[synthetic answer of rehearsal model server]"
_SENTENCE = (
    "no model has read this prompt: these words show how many tokens an answer has, how fast they come, where it ends."
)


def tokenize(text: str, at_most: int) -> list[str]:
    """The first tokens of a text; the rest is not looked at, as a tokenizer with truncation does."""
    return [match.group() for match in itertools.islice(_TOKEN.finditer(text), at_most)]


def chat_prompt(messages: Sequence[tuple[str, str]]) -> str:
    """Roles and texts as one prompt: equal beginnings of conversations give equal beginnings of prompts."""
    return "".join(f"<{role}> {text}\n" for role, text in messages) + "<assistant> "


@dataclass(frozen=True)
class Answer:
    """What will be generated: one piece of text a token. `stop_reason` is the stop string that ended it."""

    pieces: tuple[str, ...]
    finish_reason: str
    stop_reason: str | None = None


@dataclass(frozen=True)
class Limits:
    """What ends an answer: its own end, the number of tokens, a stop string."""

    max_tokens: int
    natural_tokens: int
    ignore_end: bool = False
    stop: tuple[str, ...] = ()
    keep_stop: bool = False


def answer_to(prompt: Sequence[str], limits: Limits) -> Answer:
    """The answer to a prompt: the same for the same prompt and limits."""
    natural = limits.max_tokens if limits.ignore_end else limits.natural_tokens
    count = min(limits.max_tokens, natural)
    words = itertools.islice(_endless(prompt), count)
    pieces = [word if index == 0 else f" {word}" for index, word in enumerate(words)]
    finish = "stop" if count < limits.max_tokens or (count == natural and not limits.ignore_end) else "length"
    found = _first_stop("".join(pieces), limits.stop)
    if found is None:
        return Answer(tuple(pieces), finish)
    stop, start = found
    return Answer(_cut(pieces, start, start + len(stop), limits.keep_stop), "stop", stop)


def _endless(prompt: Sequence[str]) -> itertools.chain[str]:
    digest = hashlib.sha256("\0".join(prompt).encode()).hexdigest()[:8]
    return itertools.chain(_OPENING.split(), ["prompt", digest, ":"], itertools.cycle(_SENTENCE.split()))


def _first_stop(text: str, stops: Sequence[str]) -> tuple[str, int] | None:
    """The stop string that is complete first, and where it starts."""
    places = [(text.find(stop) + len(stop), index) for index, stop in enumerate(stops) if stop in text]
    if not places:
        return None
    _, index = min(places)
    return stops[index], text.find(stops[index])


def _cut(pieces: Sequence[str], start: int, end: int, keep_stop: bool) -> tuple[str, ...]:
    """The tokens up to the one that completes the stop string, their text cut where it starts (or ends)."""
    limit = end if keep_stop else start
    kept, position = [], 0
    for piece in pieces:
        kept.append(piece[: max(0, limit - position)])
        position += len(piece)
        if position >= end:
            break
    return tuple(kept)
