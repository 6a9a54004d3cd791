"""Whether an answer is a right one: shape, model, text, counts. Shapes: the OpenAI API as vLLM serves it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from serving.live.request_errors import RequestError, shown
from serving.live.streaming import Streamed

_ENDS = ("stop", "length", "tool_calls")
_TEXTS = ("content", "reasoning_content", "reasoning")


def model_ids(answer: Mapping[str, Any]) -> list[str]:
    """Names of a model list.

    Raises:
        RequestError: it is no model list.
    """
    try:
        return [str(item["id"]) for item in answer["data"]]
    except (KeyError, TypeError):
        raise _wrong("a model list has data[].id", answer) from None


def check_chat(answer: Mapping[str, Any], names: Collection[str], most_tokens: int) -> str:
    """Raise RequestError where a chat answer is not right; else say what came."""
    choice = _choice(answer, "chat.completion")
    message = choice.get("message")
    if not isinstance(message, dict) or not any(isinstance(message.get(key), str) for key in _TEXTS):
        raise _wrong("a chat answer has choices[0].message.content", answer)
    return _counted(answer, choice, "".join(str(message.get(key) or "") for key in _TEXTS), names, most_tokens)


def check_pooled(answer: Mapping[str, Any], task: str) -> str:
    """Raise RequestError where the answer of an embedding, reranking or scoring model is not right; else say what came."""
    if task == "embed":
        rows, key, what = (
            answer.get("data"),
            "embedding",
            "an embedding answer has data[0].embedding, a list of numbers",
        )
    elif task == "rerank":
        rows, key, what = answer.get("results"), "relevance_score", "a rerank answer has results[0].relevance_score"
    else:
        rows, key, what = answer.get("data"), "score", "a score answer has data[0].score"
    first = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}
    value = first.get(key)
    numbers = value if task == "embed" and isinstance(value, list) else [value]
    if not numbers or not all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers):
        raise _wrong(what, answer)
    return f"{len(numbers)} numbers" if task == "embed" else f"{key} {numbers[0]}"


def check_completion(answer: Mapping[str, Any], names: Collection[str], most_tokens: int) -> str:
    """Raise RequestError where a completion is not right; else say what came."""
    choice = _choice(answer, "text_completion")
    if not isinstance(choice.get("text"), str):
        raise _wrong("a completion has choices[0].text", answer)
    return _counted(answer, choice, choice["text"], names, most_tokens)


def check_stream(streamed: Streamed, names: Collection[str], most_tokens: int) -> str:
    """Raise RequestError where a streamed answer that came to its end is not right; else say what came."""
    if not streamed.text:
        raise RequestError("empty-answer", f"{streamed.events} events, none with text")
    strangers = streamed.models - set(names)
    if strangers:
        raise _stranger(strangers, names)
    if not streamed.usage:
        raise RequestError("no-usage", f"{streamed.events} events, none with usage, though include_usage was asked")
    tokens = _tokens(streamed.usage, most_tokens)
    return f"{tokens} tokens in {streamed.seconds:.1f} s, first text after {streamed.first_seconds:.2f} s, then [DONE]"


def _choice(answer: Mapping[str, Any], kind: str) -> dict[str, Any]:
    choices = answer.get("choices")
    if answer.get("object") != kind or not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise _wrong(f"the object is {answer.get('object')!r}, {kind!r} with choices is expected", answer)
    return choices[0]


def _counted(
    answer: Mapping[str, Any], choice: Mapping[str, Any], text: str, names: Collection[str], most_tokens: int
) -> str:
    if answer.get("model") not in names:
        raise _stranger({str(answer.get("model"))}, names)
    if choice.get("finish_reason") not in _ENDS:
        raise _wrong(f"finish_reason is {choice.get('finish_reason')!r}", answer)
    if not text.strip():
        raise RequestError("empty-answer", shown(json.dumps(answer)))
    if not isinstance(answer.get("usage"), dict):
        raise RequestError("no-usage", shown(json.dumps(answer)))
    return f"{_tokens(answer['usage'], most_tokens)} tokens, {choice['finish_reason']}"


def _tokens(usage: Mapping[str, Any], most_tokens: int) -> int:
    prompt, answer = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not isinstance(prompt, int) or not isinstance(answer, int) or prompt < 1 or not 1 <= answer <= most_tokens:
        text = f"usage {json.dumps(dict(usage))} for a prompt and at most {most_tokens} tokens of answer"
        raise RequestError("wrong-usage", text)
    return answer


def _wrong(what: str, answer: Mapping[str, Any]) -> RequestError:
    return RequestError("wrong-shape", f"{what}: {shown(json.dumps(dict(answer)))}")


def _stranger(found: Collection[str], names: Collection[str]) -> RequestError:
    return RequestError("wrong-model-answers", f"{', '.join(sorted(found))} answered, not {' or '.join(names)}")
