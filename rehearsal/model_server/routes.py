"""The HTTP routes. Source: vllm 0.27.0 entrypoints/openai and entrypoints/serve."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from rehearsal.model_server import answers
from rehearsal.model_server.bodies import ChatBody, CompletionBody, GenerationBody
from rehearsal.model_server.engine import CutError, Engine, Sequence
from rehearsal.model_server.errors import RequestError, from_validation, invalid, not_json, plain
from rehearsal.model_server.metrics import Metrics
from rehearsal.model_server.options import Options
from rehearsal.model_server.timing import default
from rehearsal.model_server.tokens import Limits, answer_to, tokenize

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
# Paths that an API key guards (server_utils.py, GUARDED_PREFIX).
_GUARDED = ("/v1", "/v2", "/inference", "/cohere")


class Routes:
    """Handlers over one engine."""

    def __init__(self, options: Options, engine: Engine, metrics: Metrics, version: str) -> None:
        self._options = options
        self._engine = engine
        self._metrics = metrics
        self._version = version
        self._created = int(time.time())
        self._keys = [hashlib.sha256(key.encode()).digest() for key in options.api_keys]

    def application(self) -> web.Application:
        """The application with every route; bodies may be of any size."""
        app = web.Application(middlewares=[self._errors, self._authentication], client_max_size=0)
        app.add_routes(
            [
                web.get("/health", self._healthy, allow_head=False),
                web.route("*", "/metrics", self._metrics_page),
                web.get("/version", self._show_version, allow_head=False),
                web.get("/ping", self._healthy, allow_head=False),
                web.post("/ping", self._healthy),
                web.get("/v1/models", self._models, allow_head=False),
                web.post("/v1/chat/completions", self._chat),
                web.post("/v1/completions", self._completion),
            ]
        )
        return app

    @web.middleware
    async def _errors(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except RequestError as error:
            return error.response()
        except web.HTTPException as error:
            return plain(error)

    @web.middleware
    async def _authentication(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        if self._keys and request.method != "OPTIONS" and request.path.startswith(_GUARDED):
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            digest = hashlib.sha256(token.encode()).digest()
            if scheme.lower() != "bearer" or not any(secrets.compare_digest(digest, key) for key in self._keys):
                return web.json_response({"error": "Unauthorized"}, status=HTTPStatus.UNAUTHORIZED)
        return await handler(request)

    async def _healthy(self, _request: web.Request) -> web.Response:
        return web.Response()

    async def _metrics_page(self, _request: web.Request) -> web.Response:
        content_type = "text/plain; version=0.0.4; charset=utf-8"
        return web.Response(body=self._metrics.page(), headers={"Content-Type": content_type})

    async def _show_version(self, _request: web.Request) -> web.Response:
        return web.json_response({"version": self._version})

    async def _models(self, _request: web.Request) -> web.Response:
        cards: list[dict[str, Any]] = [
            {
                "id": name,
                "object": "model",
                "created": self._created,
                "owned_by": "vllm",
                "root": self._options.model,
                "parent": None,
                "max_model_len": self._options.max_model_len,
                "permission": [],
            }
            for name in self._options.names
        ]
        return web.json_response({"object": "list", "data": cards})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        return await self._generate(request, ChatBody, chat=True)

    async def _completion(self, request: web.Request) -> web.StreamResponse:
        return await self._generate(request, CompletionBody, chat=False)

    async def _generate(self, request: web.Request, kind: type[GenerationBody], *, chat: bool) -> web.StreamResponse:
        body = await _read(request, kind)
        if body.model and body.model not in self._options.names:
            raise RequestError(
                f"The model `{body.model}` does not exist.", "model", HTTPStatus.NOT_FOUND, "NotFoundError"
            )
        body.refuse_what_is_not_offered()
        prompt, limits = self._limits(body)
        fingerprint = f"vllm-{self._version}-rehearsal"
        writer = answers.Writer(self._options.names[0], chat, fingerprint, _request_id(request))
        sequence = self._engine.submit(prompt, answer_to(prompt, limits))
        try:
            if body.stream:
                return await _stream(request, writer, sequence, include_usage=body.include_usage)
            while sequence.finish_reason is None:
                await sequence.more(sequence.emitted)
            return web.json_response(writer.whole(sequence))
        except CutError:
            if request.transport is not None:
                request.transport.abort()
            raise asyncio.CancelledError from None
        finally:
            # A client that is gone cancels this handler.
            self._engine.abort(sequence)

    def _limits(self, body: GenerationBody) -> tuple[list[str], Limits]:
        """Prompt and limits, checked against the context length (renderers/params.py, sampling_params.py)."""
        context = self._options.max_model_len
        name, wanted = body.output_limit()
        reserved = wanted or 0
        if reserved > context:
            raise RequestError(
                f"{name}={reserved} cannot be greater than max_model_len=max_total_tokens={context}. "
                "Please request fewer output tokens.",
                name,
            )
        room = context - reserved
        prompt = tokenize(body.prompt_text(), room + 1)
        if len(prompt) > room:
            raise RequestError(
                f"This model's maximum context length is {context} tokens. However, you requested {reserved} output "
                f"tokens and your prompt contains at least {len(prompt)} input tokens, for a total of at least "
                f"{len(prompt) + reserved} tokens. Please reduce the length of the input prompt or the number of "
                "requested output tokens.",
                "input_tokens",
            )
        most = context - len(prompt) if wanted is None else min(wanted, context - len(prompt))
        if most < 1:
            raise RequestError(f"max_tokens must be at least 1, got {most}.", "max_tokens")
        natural = max(int(default("answerTokens")), body.min_tokens)
        return prompt, Limits(most, natural, body.ignore_eos, body.stops, body.include_stop_str_in_output)


def _request_id(request: web.Request) -> str:
    return request.headers.get("X-Request-Id") or uuid.uuid4().hex


async def _read(request: web.Request, kind: type[GenerationBody]) -> GenerationBody:
    """The body. Raises RequestError with 400 for whatever is not a JSON object of this kind."""
    raw = await request.read()
    if request.content_type != "application/json":
        raise invalid(["Unsupported Media Type: Only 'application/json' is allowed"], None)
    if not raw:
        raise invalid([{"type": "missing", "loc": ("body",), "msg": "Field required", "input": None}], "body")
    try:
        data: Any = json.loads(raw)
    except json.JSONDecodeError as error:
        raise not_json(error) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise RequestError("There was an error parsing the body", kind="Bad Request") from error
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise from_validation(error) from error


async def _stream(
    request: web.Request, writer: answers.Writer, sequence: Sequence, *, include_usage: bool
) -> web.StreamResponse:
    """Server-sent events, each written when the client has taken the one before; the engine does not wait for it."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
    await response.prepare(request)
    first, sent, ended = writer.opening(), 0, False
    while not ended:
        until = await sequence.more(sent)
        # Looked at before writing: the end may come meanwhile, and then has an event of its own.
        ended = writer.has_ended(sequence, until)
        await response.write(first + writer.part(sequence, sent, until))
        first, sent = b"", until
    if include_usage:
        await response.write(writer.closing(sequence))
    await response.write(b"data: [DONE]\n\n")
    await response.write_eof()
    return response
