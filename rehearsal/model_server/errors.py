"""Errors in the shapes that vLLM's server gives them. Source: vllm 0.27.0 entrypoints/serve/utils/{error_response,server_utils}.py."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any

from aiohttp import web
from pydantic import ValidationError

# sanitize_message of the server: paths are taken out of messages, also `/mnt/models` where it is a model's name.
_PATHS = (
    re.compile(r"/(?:home|usr|opt|var|tmp|root|lib|mnt|srv)(?:/[\w.\-]+)+"),
    re.compile(r"(?:/[\w\-]+)+/[\w\-]+\.\w+"),
)


class RequestError(Exception):
    """A request that is answered with an error; `parameter` is the field it is about."""

    def __init__(
        self,
        message: str,
        parameter: str | None = None,
        status: HTTPStatus = HTTPStatus.BAD_REQUEST,
        kind: str = "BadRequestError",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.parameter = parameter
        self.status = status
        self.kind = kind

    def response(self) -> web.Response:
        """The answer: `{"error": {message, type, param, code}}`."""
        message = self.message
        for pattern in _PATHS:
            message = pattern.sub("<path>", message)
        error = {"message": message.strip(), "type": self.kind, "param": self.parameter, "code": self.status.value}
        return web.json_response({"error": error}, status=self.status.value)


class InvalidFieldError(ValueError):
    """A field that a validator of ours refuses; it is named in the answer."""

    def __init__(self, message: str, parameter: str) -> None:
        super().__init__(message)
        self.parameter = parameter


def invalid(problems: list[Any], parameter: str | None) -> RequestError:
    """A body that is not what the route takes: what FastAPI found, as the server words it, with 400 (not 422)."""
    label = "error" if len(problems) == 1 else "errors"
    text = f"{len(problems)} validation {label}:\n" + "\n".join(f"  {problem}" for problem in problems)
    return RequestError(text, parameter, kind=HTTPStatus.BAD_REQUEST.phrase)


def from_validation(error: ValidationError) -> RequestError:
    """The same for what pydantic found in a JSON object."""
    problems: list[Any] = [{**found, "loc": ("body", *found["loc"])} for found in error.errors(include_url=False)]
    causes = [problem.get("ctx", {}).get("error") for problem in problems]
    named = next((cause.parameter for cause in causes if isinstance(cause, InvalidFieldError)), None)
    return invalid(problems, named or ".".join(str(part) for part in problems[0]["loc"]))


def not_json(error: json.JSONDecodeError) -> RequestError:
    """A body that is not JSON."""
    problem = {
        "type": "json_invalid",
        "loc": ("body", error.pos),
        "msg": "JSON decode error",
        "input": {},
        "ctx": {"error": error.msg},
    }
    return invalid([problem], f"body.{error.pos}")


def plain(error: web.HTTPException) -> web.Response:
    """An unknown route or a wrong method: FastAPI's own answer."""
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
    return web.json_response({"detail": HTTPStatus(error.status).phrase}, status=error.status, headers=headers)
