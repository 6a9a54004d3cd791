"""The HTTP routes that probes, verify, bench and picker ask. Source: vllm 0.27.0 entrypoints/openai and entrypoints/serve."""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from dataclasses import replace
from typing import Any

from aiohttp import web
from prometheus_client import generate_latest

from rehearsal.model_server.answers import Answer, EmulatedRequest
from rehearsal.model_server.engine import Engine, Metrics
from rehearsal.model_server.options import Options

Json = dict[str, Any]
# entrypoints/serve/instrumentator/metrics.py leaves these out.
_UNCOUNTED = ("/health", "/metrics")


class Routes:
    def __init__(self, options: Options, engine: Engine, metrics: Metrics) -> None:
        self._options = options
        self._engine = engine
        self._metrics = metrics

    def application(self) -> web.Application:
        """The application with every route; bodies may be of any size, as with uvicorn."""
        app = web.Application(client_max_size=0, middlewares=[self._counted])
        app.router.add_get("/health", self._health)
        app.router.add_get("/metrics", self._metrics_page)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/tokenize", self._tokenize)
        generating, pooling = ("/v1/chat/completions", "/v1/completions"), ("/v1/embeddings", "/v1/rerank", "/v1/score")
        for path in pooling if self._options.pooling else generating:
            app.router.add_post(path, self._pool if self._options.pooling else self._generate)
        return app

    @web.middleware
    async def _counted(self, request: web.Request, handler: Any) -> web.StreamResponse:
        response: web.StreamResponse = await handler(request)
        if request.path not in _UNCOUNTED:
            self._metrics.http.labels(request.method, f"{response.status // 100}xx", request.path).inc()
        return response

    async def _health(self, _request: web.Request) -> web.Response:
        return web.Response()

    async def _metrics_page(self, _request: web.Request) -> web.Response:
        content_type = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=generate_latest(self._metrics.registry), headers=content_type)

    async def _models(self, _request: web.Request) -> web.Response:
        options = self._options
        card = {"object": "model", "owned_by": "vllm", "max_model_len": options.max_model_len}
        data = [{"id": name, "root": options.model, **card} for name in options.names]
        return web.json_response({"object": "list", "data": data})

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        """A client that is gone cancels this."""
        chat = "chat" in request.path
        try:
            body = EmulatedRequest.model_validate_json(await request.read())
            if chat is not bool(body.messages):
                raise ValueError("a chat has messages, a completion has a prompt")
            answer = Answer.to(body, self._options.max_model_len)
        except ValueError as error:
            return _error(400, "BadRequestError", str(error))
        if body.model and body.model not in self._options.names:
            return _error(404, "NotFoundError", f"The model `{body.model}` does not exist.")
        if self._engine.draining:
            answer = replace(answer, pieces=[], finish_reason="abort")
        writer = _Writer(answer, self._options.names[0], chat=chat)
        if body.stream:
            return await self._stream(request, writer, with_usage=bool(body.stream_options.get("include_usage")))
        async for _ in self._engine.generate(answer):
            pass
        return web.json_response(writer.whole())

    async def _tokenize(self, request: web.Request) -> web.Response:
        prompt = Answer.to(EmulatedRequest(prompt=(await request.json())["prompt"]), self._options.max_model_len).prompt
        return web.json_response({"count": len(prompt), "max_model_len": self._options.max_model_len})

    async def _pool(self, request: web.Request) -> web.Response:
        """Two synthetic numbers for an embedding, one for each document; all texts are computed as one prompt."""
        body = await request.json()
        texts = [body[key] for key in ("input", "query", "text_1", "text_2") if key in body]
        try:
            answer = Answer.to(
                EmulatedRequest(prompt=" ".join(texts + body.get("documents", []))), self._options.max_model_len
            )
        except (TypeError, ValueError) as error:
            return _error(400, "BadRequestError", str(error))
        async for _ in self._engine.generate(replace(answer, pieces=[])):
            pass
        values: Json = {
            "data": [{"index": 0, "embedding": [0.0, 1.0]} if "input" in body else {"index": 0, "score": 0.5}]
        }
        if "query" in body:
            values = {"results": [{"index": n, "relevance_score": 0.5} for n in range(len(body["documents"]))]}
        usage = {"prompt_tokens": len(answer.prompt), "total_tokens": len(answer.prompt)}
        return web.json_response({"model": self._options.names[0], **values, "usage": usage})

    async def _stream(self, request: web.Request, writer: _Writer, *, with_usage: bool) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        if writer.chat:
            await response.write(writer.event({"delta": {"role": "assistant", "content": ""}}))
        sent = 0
        async with contextlib.aclosing(self._engine.generate(writer.answer)) as counts:
            async for until in counts:
                await response.write(writer.part(sent, until))
                sent = until
        if not sent:
            await response.write(writer.part(0, 0))
        if with_usage:
            await response.write(writer.event(None, usage=writer.usage()))
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response


class _Writer:
    """Writes an answer whole or in events; `model` is the first served name, whatever name was asked for."""

    def __init__(self, answer: Answer, model: str, *, chat: bool) -> None:
        self.answer = answer
        self.chat = chat
        self._object = "chat.completion" if chat else "text_completion"
        self._head = {"id": uuid.uuid4().hex, "created": int(time.time()), "model": model}

    def usage(self) -> Json:
        prompt, answer = len(self.answer.prompt), len(self.answer.pieces)
        return {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}

    def whole(self) -> Json:
        text = "".join(self.answer.pieces)
        content: Json = {"message": {"role": "assistant", "content": text}} if self.chat else {"text": text}
        choice = {"index": 0, **content, "finish_reason": self.answer.finish_reason}
        return {**self._head, "object": self._object, "choices": [choice], "usage": self.usage()}

    def part(self, sent: int, until: int) -> bytes:
        """The tokens from `sent` to `until`, with the end if it is there."""
        text = "".join(self.answer.pieces[sent:until])
        reason = self.answer.finish_reason if until == len(self.answer.pieces) else None
        return self.event({"delta": {"content": text}} if self.chat else {"text": text}, reason)

    def event(self, content: Json | None, reason: str | None = None, **more: Any) -> bytes:
        choices = [] if content is None else [{"index": 0, **content, "finish_reason": reason}]
        kind = f"{self._object}.chunk" if self.chat else self._object
        return f"data: {json.dumps({**self._head, 'object': kind, 'choices': choices, **more})}\n\n".encode()


def _error(status: int, kind: str, message: str) -> web.Response:
    error = {"message": message, "type": kind, "param": None, "code": status}
    return web.json_response({"error": error}, status=status)
