"""Replicas of a model behind one address, as a client sees them; how a request finds its replica is the test's choice."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.serving.verify.web import Reply


class Replicas:
    """Answers like vLLM's server. `pick`: (number of the request, its prompt) -> replica."""

    def __init__(self, names: list[str], count: int = 3, pick: Callable[[int, str], int] = lambda _n, _p: 0) -> None:
        self.names, self._pick, self._asked = names, pick, 0
        self._seen: list[set[str]] = [set() for _ in range(count)]
        self.hits = [0] * count
        # What the picker's histogram says: shares of prompts that it knew, and how often it looked.
        self.shares, self.looks, self.scores = 0.0, 0, True

    def __call__(self, method: str, path: str, body: Any) -> Reply:
        """Answer a request below any prefix."""
        if path.endswith("/v1/models"):
            return Reply.json({"object": "list", "data": [{"id": name, "object": "model"} for name in self.names]})
        if not isinstance(body, dict) or body.get("model") not in self.names:
            message = f"The model `{(body or {}).get('model')}` does not exist."
            return Reply.json({"error": {"message": message, "type": "NotFoundError", "code": 404}}, 404)
        chat = path.endswith("/chat/completions")
        prompt = body["messages"][0]["content"] if chat else body["prompt"]
        usage = {"prompt_tokens": self._read(prompt), "completion_tokens": 1, "total_tokens": 0}
        if body.get("stream"):
            return Reply(200, "text/event-stream; charset=utf-8", events(body["model"], usage))
        kind, part = ("chat.completion", "message") if chat else ("text_completion", "text")
        content = {"role": "assistant", "content": "Yes."} if chat else "Yes."
        choice = {"index": 0, part: content, "finish_reason": "length"}
        return Reply.json({"object": kind, "model": body["model"], "choices": [choice], "usage": usage})

    def _read(self, prompt: str) -> int:
        """Count the prompt's tokens, and those that the chosen replica has read before (by first sentence)."""
        replica, tokens = self._pick(self._asked, prompt), len(prompt.split())
        self._asked += 1
        self.looks += 1
        prefix = prompt.split("\n")[0]
        if self.scores and any(prefix in seen for seen in self._seen):
            self.shares += 0.9
        if prefix in self._seen[replica] and tokens > 100:
            self.hits[replica] += tokens - 16
        self._seen[replica].add(prefix)
        return tokens

    def page(self, pod: str) -> str:
        """The metrics page of the server `...-N`, or of the picker."""
        if pod.endswith("-picker"):
            name = "inference_extension_prefix_indexer_hit_ratio"
            return f"# TYPE {name} histogram\n{name}_sum {self.shares}\n{name}_count {self.looks}\n"
        number = int(pod.rsplit("-", 1)[1])
        return (
            "# TYPE vllm:prefix_cache_hits_total counter\n"
            f'vllm:prefix_cache_hits_created{{engine="0"}} 1.7e9\nvllm:prefix_cache_hits_total{{engine="0"}} '
            f"{float(self.hits[number])}\n"
        )


def event(data: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + (data if isinstance(data, bytes) else json.dumps(data).encode()) + b"\n\n"


def chunk(model: str, text: str) -> dict[str, Any]:
    """One chunk of a streamed chat answer."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return {"object": "chat.completion.chunk", "model": model, "choices": [choice]}


def events(model: str, usage: dict[str, int] | None, *, done: bool = True) -> bytes:
    """A whole stream."""
    parts = [event(chunk(model, text)) for text in ("", "Yes", ".")]
    if usage:
        parts.append(event({"object": "chat.completion.chunk", "model": model, "choices": [], "usage": usage}))
    return b"".join(parts) + (event(b"[DONE]") if done else b"")
