"""Requests and answers of the two generating routes (vllm 0.27.0 entrypoints/openai/{chat_completion,completion}/)."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from rehearsal.model_server.options import default

# A word of more letters is several tokens, so that a prompt can't hide its length in one word.
_TOKEN = re.compile(r"\S{1,16}")
_OPENING = "[synthetic answer of rehearsal model server]"
_SENTENCE = (
    "no model has read this prompt: these words show how many tokens an answer has, how fast they come, where it ends."
)


class _Message(BaseModel):
    role: str
    content: str


class EmulatedRequest(BaseModel):
    """A field that is not named here is refused: a real server would act on it, or it is a mistake."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = None
    messages: list[_Message] = []
    prompt: str = ""
    max_tokens: int | None = None
    ignore_eos: bool = False
    stream: bool = False
    stream_options: dict[str, bool] = {}
    # Taken, and without a meaning here.
    min_tokens: int = 0
    temperature: float = 0
    top_p: float = 1
    seed: int = 0

    def text(self) -> str:
        """The prompt as one text: equal beginnings of conversations give equal beginnings of prompts."""
        said = "".join(f"<{one.role}> {one.content}\n" for one in self.messages)
        return f"{said}<assistant> " if said else self.prompt


@dataclass(frozen=True)
class Answer:
    """What will be generated: a word a token, the same for the same request."""

    prompt: Sequence[str]
    pieces: Sequence[str]
    finish_reason: str

    @classmethod
    def to(cls, body: EmulatedRequest, context: int) -> Answer:
        """Ends by itself after some tokens (`stop`), or at the limit of request or context (`length`).

        Raises ValueError where prompt and answer do not fit into `context` tokens.
        """
        wanted = body.max_tokens or (0 if body.messages else 16)
        room = max(0, context - (wanted or 1))
        # A longer prompt is not looked at to its end.
        prompt = [match.group() for match in itertools.islice(_TOKEN.finditer(body.text()), room + 1)]
        if not 0 < len(prompt) <= room:
            raise ValueError(
                f"This model's maximum context length is {context} tokens. However, you requested {wanted} output tokens "
                f"and your prompt contains at least {len(prompt)} input tokens. Please reduce the length of the input "
                "prompt or the number of requested output tokens."
            )
        most, natural = wanted or context - len(prompt), int(default("answerTokens"))
        ends = natural <= most and not body.ignore_eos
        digest = hashlib.sha256("\0".join(prompt).encode()).hexdigest()[:8]
        words = itertools.chain(_OPENING.split(), ["prompt", digest, ":"], itertools.cycle(_SENTENCE.split()))
        pieces = [f"{word} " for word in itertools.islice(words, natural if ends else most)]
        return cls(prompt, pieces, "stop" if ends else "length")
