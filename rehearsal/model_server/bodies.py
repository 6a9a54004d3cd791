"""Bodies of the two generating routes: what they may hold, and what of it is not offered here.

Source: vllm 0.27.0 entrypoints/openai/{chat_completion,completion}/protocol.py. Fields that are not named here are taken
and ignored, as unknown ones are there.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rehearsal.model_server.errors import InvalidFieldError, RequestError
from rehearsal.model_server.tokens import chat_prompt


class _StreamOptions(BaseModel):
    include_usage: bool | None = False
    continuous_usage_stats: bool | None = False


class GenerationBody(BaseModel):
    """What both routes share."""

    model_config = ConfigDict(extra="allow")

    model: str | None = None
    max_tokens: int | None = None
    min_tokens: int = 0
    n: int | None = 1
    stop: str | list[str] | None = Field(default_factory=list)
    include_stop_str_in_output: bool = False
    ignore_eos: bool = False
    stream: bool | None = False
    stream_options: _StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    echo: bool = False
    use_beam_search: bool = False

    @model_validator(mode="before")
    @classmethod
    def _stream_options_need_a_stream(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("stream_options") and not data.get("stream"):
            raise InvalidFieldError("Stream options can only be defined when `stream=True`.", "stream_options")
        return data

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop strings."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with the usage."""
        return bool(self.stream_options and self.stream_options.include_usage)

    def output_limit(self) -> tuple[str, int | None]:
        """Name and value of the field that limits the answer."""
        return "max_tokens", self.max_tokens

    def prompt_text(self) -> str:
        """The prompt as one text. Raises RequestError for a form that is not offered."""
        raise AssertionError("each route has its own prompt")

    def refuse_what_is_not_offered(self) -> None:
        """Raises RequestError for what the real server can do and the stand-in can't."""
        more = self.model_extra or {}
        asked = {
            "n": (self.n or 1) > 1,
            "echo": self.echo,
            "use_beam_search": self.use_beam_search,
            "logprobs": bool(more.get("logprobs")),
            "tools": bool(more.get("tools")),
            "response_format": more.get("response_format") not in (None, {"type": "text"}),
        }
        for name, wanted in asked.items():
            if wanted:
                raise RequestError(f"`{name}` is not offered by the rehearsal's model server.", name)
        for name, value, low, high in (("temperature", self.temperature, 0, 2), ("top_p", self.top_p, 0, 1)):
            if value is not None and not low <= value <= high:
                raise RequestError(f"{name} must be in [{low}, {high}], got {value}.", name)


class ChatBody(GenerationBody):
    """Body of /v1/chat/completions."""

    messages: list[dict[str, Any]]
    max_completion_tokens: int | None = None

    def output_limit(self) -> tuple[str, int | None]:
        """`max_completion_tokens` before `max_tokens`."""
        if self.max_completion_tokens is not None:
            return "max_completion_tokens", self.max_completion_tokens
        return "max_tokens", self.max_tokens

    def prompt_text(self) -> str:
        """All messages, one after the other."""
        return chat_prompt([(str(message.get("role")), _text(message.get("content"))) for message in self.messages])


class CompletionBody(GenerationBody):
    """Body of /v1/completions."""

    prompt: str | list[str] | list[int] | list[list[int]] | None = None
    max_tokens: int | None = 16

    @model_validator(mode="before")
    @classmethod
    def _has_a_prompt(cls, data: Any) -> Any:
        if isinstance(data, dict):
            if not data.get("prompt"):
                raise InvalidFieldError("Either prompt or prompt_embeds must be provided and non-empty.", "prompt")
            if data.get("max_tokens", 0) is None:
                data = {key: value for key, value in data.items() if key != "max_tokens"}
        return data

    def prompt_text(self) -> str:
        """One text, or a list with one text."""
        prompt = self.prompt[0] if isinstance(self.prompt, list) and len(self.prompt) == 1 else self.prompt
        if not isinstance(prompt, str):
            raise RequestError("Prompts as token ids or several at once are not offered here.", "prompt")
        return prompt


def _text(content: Any) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    parts = content if isinstance(content, list) else [content]
    if not all(isinstance(part, dict) and part.get("type") == "text" for part in parts):
        raise RequestError("Contents other than text are not offered by the rehearsal's model server.", "messages")
    return "\n".join(str(part.get("text", "")) for part in parts)
