"""Answers of the two generating routes, whole and as a stream. Source: vllm 0.27.0 entrypoints/openai/{chat_completion,completion}/."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

from rehearsal.model_server.engine import Sequence

Json = dict[str, Any]


@dataclass(frozen=True)
class Writer:
    """Writes the answers to one request; `model` is the first served name, whatever name was asked for."""

    model: str
    chat: bool
    fingerprint: str
    request_id: str
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, sequence: Sequence) -> Json:
        """The answer in one piece."""
        text = "".join(sequence.answer.pieces[: sequence.emitted])
        choice: Json = {"index": 0}
        if self.chat:
            choice["message"] = {"role": "assistant", "content": text}
        else:
            choice["text"] = text
        choice |= {
            "logprobs": None,
            "finish_reason": sequence.finish_reason,
            "stop_reason": sequence.answer.stop_reason if sequence.finish_reason == "stop" else None,
        }
        head = self._head("chat.completion" if self.chat else "text_completion")
        return {**head, "choices": [choice], "system_fingerprint": self.fingerprint, "usage": usage(sequence)}

    def opening(self) -> bytes:
        """The first event of a chat, the role; nothing for a completion."""
        if not self.chat:
            return b""
        choice = {"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": None, "finish_reason": None}
        return self._event([choice])

    def part(self, sequence: Sequence, sent: int, until: int) -> bytes:
        """The tokens from `sent` to `until`, with the end if it is there."""
        text = "".join(sequence.answer.pieces[sent:until])
        last = self.has_ended(sequence, until)
        choice: Json = {"index": 0}
        if self.chat:
            choice["delta"] = {"content": text}
        else:
            choice["text"] = text
        choice |= {"logprobs": None, "finish_reason": sequence.finish_reason if last else None}
        if last:
            choice["stop_reason"] = sequence.answer.stop_reason if sequence.finish_reason == "stop" else None
        return self._event([choice])

    @staticmethod
    def has_ended(sequence: Sequence, sent: int) -> bool:
        """Whether the end is there and `sent` tokens are all there will be."""
        return sequence.finish_reason is not None and sent == sequence.emitted

    def closing(self, sequence: Sequence) -> bytes:
        """The usage, where the client asked for it."""
        return self._event([], usage=usage(sequence), system_fingerprint=self.fingerprint)

    def _head(self, kind: str) -> Json:
        prefix = "chatcmpl" if self.chat else "cmpl"
        return {"id": f"{prefix}-{self.request_id}", "object": kind, "created": self.created, "model": self.model}

    def _event(self, choices: list[Json], **more: Any) -> bytes:
        head = self._head("chat.completion.chunk" if self.chat else "text_completion")
        return event({**head, "choices": choices, **more})


def usage(sequence: Sequence) -> Json:
    """Tokens of a request."""
    prompt = len(sequence.prompt)
    return {"prompt_tokens": prompt, "total_tokens": prompt + sequence.emitted, "completion_tokens": sequence.emitted}


def event(data: Json) -> bytes:
    """One server-sent event."""
    return f"data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()
