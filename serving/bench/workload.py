"""What is asked: prompts of a wanted length with a wanted common beginning, answers of exactly the wanted length.

Lengths of prompts are in words. No tokenizer is needed, and none is guessed: the server counts tokens, and says so in
the usage of each answer. Bodies are those of `vllm bench serve` (vllm 0.32.0 benchmarks/lib/endpoint_request_func.py:
openai-chat, openai-embeddings, vllm-rerank).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from catalog.models import Task
from settings.served import REQUEST_PATHS

# Short and common: about one token each in the vocabularies of today's models.
_WORDS = (
    *("the", "of", "and", "to", "in", "is", "that", "for", "it", "as", "was", "with", "be", "by", "on", "not", "he"),
    *("this", "are", "or", "his", "from", "at", "which", "but", "have", "an", "had", "they", "you", "were", "their"),
    *("one", "all", "we", "can", "her", "has", "there", "been", "if", "more", "when", "will", "would", "who", "so"),
    *("time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world", "school", "state"),
)


@dataclass(frozen=True)
class Workload:
    """Requests of a run. `shared_prefix`: share of a prompt, 0 to 1, with which all of them begin.

    `seed` makes prompts that no other run has sent, so that no cache holds their answers. `answer_tokens` is 0 where the
    `task` is answered with numbers.
    """

    model: str
    prompt_words: int
    answer_tokens: int
    shared_prefix: float
    seed: int
    task: Task = "chat"

    def prompt(self, number: int) -> str:
        """The prompt of a request: equal beginnings, then words that only this number has."""
        shared = round(self.prompt_words * self.shared_prefix)
        common = random.Random(f"{self.seed}").choices(_WORDS, k=shared)  # noqa: S311
        own = random.Random(f"{self.seed}/{number}").choices(_WORDS, k=self.prompt_words - shared)  # noqa: S311
        return " ".join([*common, *own])

    def body(self, number: int) -> dict[str, Any]:
        """The request. `ignore_eos` and `min_tokens` are vLLM's: an answer ends where we say, not the model.

        A query and its document have the words of one prompt together.
        """
        if self.task != "chat":
            return {"model": self.model, **self._texts(self.prompt(number))}
        return {
            "model": self.model,
            "messages": [{"role": "user", "content": self.prompt(number)}],
            "max_tokens": self.answer_tokens,
            "min_tokens": self.answer_tokens,
            "ignore_eos": True,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }

    def _texts(self, prompt: str) -> dict[str, Any]:
        if self.task == "embed":
            return {"input": prompt}
        words = prompt.split()
        query, document = " ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])
        if self.task == "rerank":
            return {"query": query, "documents": [document]}
        return {"text_1": query, "text_2": document}

    @property
    def path(self) -> str:
        """Where it is asked, below the model's base URL."""
        return REQUEST_PATHS[self.task]

    @property
    def counted(self) -> str:
        """The tokens whose rate is the throughput."""
        return "answer tokens" if self.task == "chat" else "prompt tokens"

    @property
    def shape(self) -> tuple[int, int, float]:
        """What two runs must share to be compared."""
        return self.prompt_words, self.answer_tokens, self.shared_prefix
