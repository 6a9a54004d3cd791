"""Requests as a client sends them: model list, chat, completion, stream; and one that must be refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from cluster.errors import CannotAskError
from serving.checking.findings import Finding, failed, passed, unknown, warned
from serving.live.answers import check_chat, check_completion, check_pooled, check_stream, model_ids
from serving.live.context import NONE_NOW, Context, scaled_to_zero
from serving.live.http_client import Request
from serving.live.request_errors import RequestError
from serving.live.streaming import stream
from serving.verify.checks.policies import DEFAULT_TIMEOUT, policy_of
from serving.verify.registry import check
from settings.outputs import ModelOutput

_TOKENS = 16
_STREAM_TOKENS = 48
# Long enough to be past the default limit of the load balancer, seconds.
_PAST_DEFAULT = DEFAULT_TIMEOUT + 3.0
# Of what a request may take, for the part that is read.
_SHARE_OF_TIME = 0.6
_ROOM_FOR_PROMPT = 64
# As early as Certificate Manager itself speaks up.
_EXPIRES_SOON = timedelta(days=10)
_PROMPT = "Say in one sentence what a load balancer does."

# What any request can end with.
CONNECTION_FAILURES = (
    *("no-address", "connection-refused", "no-connection", "name-not-resolved", "wrong-url", "tls-mismatch"),
    *("certificate-not-trusted", "connection-closed", "request-failed", "no-answer-in-time", "redirect-loop"),
    *("redirected-elsewhere", "not-authorised", "too-many-requests", "no-healthy-upstream", "service-unavailable"),
    *("backend-tls-mismatch", "bad-gateway", "gateway-timeout", "no-route", "not-found", "error-status"),
    *(
        "no-consumer",
        "scaled-to-zero",
        "answer-too-large",
        "html-instead-of-json",
        "not-json",
        "wrong-shape",
        "error-in-success",
        "time-is-up",
    ),
)
# What a connection without a certificate ends with where the Gateway wants one.
_NO_CERTIFICATE = ("tls-mismatch", "connection-closed")
# What any request for an answer can end with.
ANSWER_FAILURES = (
    *CONNECTION_FAILURES,
    "wrong-model-name",
    "wrong-model-answers",
    "empty-answer",
    "no-usage",
    "wrong-usage",
)


@check(
    "certificate",
    "The served certificate does not expire soon",
    "the certificate with which the Gateway answers GET /v1/models",
    (*CONNECTION_FAILURES, "certificate-expires"),
    traffic=True,
    requests=1,
)
def certificate(context: Context) -> Iterator[Finding]:
    """One for all models; an expired one is no connection."""

    def ask(_model: ModelOutput, url: str) -> Finding:
        ends = context.client.certificate_end(Request("GET", f"{url}/v1/models"))
        if ends is None:
            return passed(url, "plain http")
        left = ends - datetime.now(UTC)
        message = f"until {ends:%Y-%m-%d}, {left.days} days"
        return passed(url, message) if left > _EXPIRES_SOON else warned("certificate-expires", url, message)

    yield from for_each_model(context, ask, context.models[:1], any_task=True)


@check(
    "model-list",
    "Model list holds every served name",
    "GET /v1/models of every model, through the Gateway",
    (*CONNECTION_FAILURES, "served-name-missing"),
    traffic=True,
    requests=1,
)
def model_list(context: Context) -> Iterator[Finding]:
    """Every name that the outputs promise is there."""

    def ask(model: ModelOutput, url: str) -> Finding:
        found = model_ids(context.client.ask(Request("GET", f"{url}/v1/models")))
        missing = [name for name in model.served_names if name not in found]
        if missing:
            return failed("served-name-missing", url, f"{', '.join(missing)} not among {', '.join(found) or 'none'}")
        return passed(url, ", ".join(found))

    yield from for_each_model(context, ask, any_task=True)


@check(
    "chat",
    "A right answer to the model's task",
    "POST /v1/chat/completions of every chat model, through the Gateway; /v1/embeddings, /v1/rerank or /v1/score of others",
    ANSWER_FAILURES,
    traffic=True,
    proof=True,
    requests=1,
)
def chat(context: Context) -> Iterator[Finding]:
    """Status, shape, model, text and counts."""

    def ask(model: ModelOutput, url: str) -> Finding:
        if model.task != "chat":
            answer = context.client.ask(Request("POST", f"{url}{model.request_path}", pooling_body(model)))
            return passed(url, check_pooled(answer, model.task))
        answer = context.client.ask(Request("POST", f"{url}/v1/chat/completions", chat_body(model)))
        return passed(url, check_chat(answer, model.served_names, _TOKENS))

    yield from for_each_model(context, ask, any_task=True)


@check(
    "completion",
    "A right completion",
    "POST /v1/completions of every model, through the Gateway",
    ANSWER_FAILURES,
    traffic=True,
    requests=1,
)
def completion(context: Context) -> Iterator[Finding]:
    """The same for the older route."""

    def ask(model: ModelOutput, url: str) -> Finding:
        body = {"model": model.served_names[0], "prompt": _PROMPT, "max_tokens": _TOKENS, "temperature": 0}
        answer = context.client.ask(Request("POST", f"{url}/v1/completions", body))
        return passed(url, check_completion(answer, model.served_names, _TOKENS))

    yield from for_each_model(context, ask)


@check(
    "stream",
    "A streamed answer that comes to its end",
    "POST /v1/chat/completions with stream and include_usage: every event, usage, [DONE]",
    (*ANSWER_FAILURES, "not-streamed", "stream-cut", "stream-stalls", "stream-never-ends"),
    traffic=True,
    proof=True,
    requests=1,
)
def streamed(context: Context) -> Iterator[Finding]:
    """Text comes, then usage, then [DONE]."""

    def ask(model: ModelOutput, url: str) -> Finding:
        body = {**chat_body(model), "stream": True, "stream_options": {"include_usage": True}}
        body["max_tokens"] = _STREAM_TOKENS
        found = stream(context.client, Request("POST", f"{url}/v1/chat/completions", body), _STREAM_TOKENS)
        return passed(url, check_stream(found, model.served_names, _STREAM_TOKENS))

    yield from for_each_model(context, ask)


@check(
    "long-answer",
    "The longest answer is not cut",
    "POST /v1/chat/completions with stream and ignore_eos, for the longest answer of the outputs; read until it ends, or "
    f"until {_PAST_DEFAULT:g} s have passed",
    (*ANSWER_FAILURES, "not-streamed", "stream-stalls", "stream-never-ends", "long-answer-cut"),
    traffic=True,
    requests=1,
)
def long_answer(context: Context) -> Iterator[Finding]:
    """Proof by traffic where an answer can last longer than the default limit; request-timeout is the proof elsewhere."""
    enough = min(_PAST_DEFAULT, _SHARE_OF_TIME * context.request_seconds)

    def ask(model: ModelOutput, url: str) -> Finding:
        tokens = max(1, min(model.longest_answer_tokens, model.context_length - _ROOM_FOR_PROMPT))
        body = {**chat_body(model, tokens=tokens), "stream": True, "ignore_eos": True}
        try:
            found = stream(context.client, Request("POST", f"{url}/v1/chat/completions", body), tokens, enough)
        except RequestError as error:
            cut = error.failure in ("stream-cut", "gateway-timeout")
            return failed("long-answer-cut" if cut else error.failure, url, error.message)
        how = "to the end" if found.ended else "and still coming"
        beside = "past" if found.seconds > DEFAULT_TIMEOUT else "shorter than"
        return passed(url, f"{found.seconds:.1f} s {how}, {beside} the default limit of {DEFAULT_TIMEOUT} s")

    yield from for_each_model(context, ask)


@check(
    "strangers-refused",
    "Unauthenticated requests are rejected",
    "GET /v1/models without token and certificate, where the Gateway has consumers or Identity-Aware Proxy",
    (*CONNECTION_FAILURES, "not-refused", "kubernetes-not-asked", "kubernetes-not-reachable", "not-allowed-to-read"),
    traffic=True,
    requests=1,
)
def strangers_refused(context: Context) -> Iterator[Finding]:
    """Where consumers or Identity-Aware Proxy are declared; what Cloud Armor lets in depends on its own rules."""

    def ask(model: ModelOutput, url: str) -> Finding:
        consumers = context.target.outputs.consumers
        if any(consumer.known_by == "certificate" for consumer in consumers):
            return _as_stranger(context, url)
        if consumers and context.target.rehearsal:  # nothing on loopback has a service account or tags
            return _as_stranger(context, url)
        if consumers:
            return passed(url, "not asked: this may be the VM of a consumer")
        policy = policy_of(context, "GCPBackendPolicy", model)
        if not (((policy or {}).get("spec", {}).get("default") or {}).get("iap") or {}).get("enabled"):
            return passed(url, "no Identity-Aware Proxy is declared")
        if context.target.rehearsal:
            return passed(url, "not asked: no Identity-Aware Proxy stands before a rehearsal")
        return _as_stranger(context, url)

    yield from for_each_model(context, ask, strangers=True)


def _as_stranger(context: Context, url: str) -> Finding:
    try:
        status = context.client.status(Request("GET", f"{url}/v1/models"), anonymous=True)
    except RequestError as error:
        if error.failure in _NO_CERTIFICATE and context.target.outputs.consumers:
            return passed(url, "rejected in the TLS handshake, without a client certificate")
        raise
    if status == 200:
        return failed("not-refused", url, "a request without a token or certificate is answered with 200")
    return passed(url, f"rejected with {status}")


def chat_body(model: ModelOutput, prompt: str = _PROMPT, tokens: int = _TOKENS) -> dict[str, Any]:
    """A chat request for the model's first served name."""
    messages = [{"role": "user", "content": prompt}]
    return {"model": model.served_names[0], "messages": messages, "max_tokens": tokens, "temperature": 0}


def pooling_body(model: ModelOutput) -> dict[str, Any]:
    """A request to a model that answers with numbers."""
    named = {"model": model.served_names[0]}
    if model.task == "embed":
        return named | {"input": _PROMPT}
    if model.task == "rerank":
        return named | {"query": _PROMPT, "documents": ["It spreads requests.", "It is a fruit."]}
    return named | {"text_1": _PROMPT, "text_2": "It spreads requests."}


def _stranger(context: Context, model: ModelOutput) -> str:
    """Why the model would not answer us: it has consumers, and we are none of them; "" where it may answer."""
    consumers = context.target.outputs.consumers
    if not consumers or context.target.client_certificate is not None:
        return ""
    if context.target.rehearsal or any(c.known_by == "certificate" for c in consumers):
        return f"not asked: {model.name} has consumers, and no certificate of one was given (--client-certificate)"
    return ""  # this may be the VM of a consumer


def for_each_model(
    context: Context,
    ask: Callable[[ModelOutput, str], Finding],
    models: Iterable[ModelOutput] | None = None,
    *,
    any_task: bool = False,
    strangers: bool = False,
) -> Iterator[Finding]:
    """Ask every chat model, or every model, of all or of `models`; what goes wrong is the result for this model.

    Where only consumers are let in and we are none, nothing is asked but with `strangers`.
    """
    for model in context.models if models is None else models:
        if model.task != "chat" and not any_task:
            continue
        url = context.target.model_url(model.url)
        if url is None:
            text = "neither the outputs nor the load balancer have an address"
            yield failed("no-address", f"model {model.name}", text)
            continue
        if scaled_to_zero(context, model):
            yield warned("scaled-to-zero", url, NONE_NOW)
            continue
        if (lacking := _stranger(context, model)) and not strangers:
            yield warned("no-consumer", url, lacking)
            continue
        try:
            yield ask(model, url)
        except RequestError as error:
            yield failed(error.failure, url, error.message)
        except CannotAskError as error:
            yield unknown(error.failure, url, error.message)
