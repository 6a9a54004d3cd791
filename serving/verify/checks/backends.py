"""Whether the load balancer's own health checks find the servers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from serving.checking.google_backends import HEALTHY, backends_of, health_of
from serving.checking.obstacles import CannotAskError as GoogleSilentError
from serving.google.errors import ASKING
from serving.verify.checks.gateway import declared_gateway
from serving.verify.context import Context
from serving.verify.registry import READING, check
from serving.verify.results import Result, failed, passed, unknown, warned
from serving.verify.target import TargetError, read_load_balancer


@check(
    "backends-healthy",
    "Every backend healthy",
    "health of each endpoint of every pool, as the load balancer sees it: Google's API, or the rehearsal's record",
    (*READING, *ASKING, "backends-unhealthy", "backends-some-unhealthy", "backends-missing", "backends-not-asked"),
    budget=60,
)
def backends_healthy(context: Context) -> Iterator[Result]:
    """On the cloud with application default credentials, as preflight asks."""
    if context.target.rehearsal:
        yield from _of_rehearsal(context)
        return
    try:
        yield from _of_google(context)
    except GoogleSilentError as error:
        for model in context.models:
            yield unknown(error.failure, _pool(context, model.inference_pool), error.message)


def _of_rehearsal(context: Context) -> Iterator[Result]:
    try:
        backends = read_load_balancer(context.target.load_balancer).get("backends") or []
        for model in context.models:
            own = [item for item in backends if (item["kind"], item["name"]) == ("InferencePool", model.inference_pool)]
            shown = [(f"{item['endpoint']} (since {item.get('since', 'unknown')})", item["healthy"]) for item in own]
            yield _judge(_pool(context, model.inference_pool), shown)
    except (TargetError, KeyError, TypeError, AttributeError) as error:
        yield failed("backends-missing", "load balancer", str(error))


def _of_google(context: Context) -> Iterator[Result]:
    gateway = declared_gateway(context)
    if gateway is None:
        yield unknown("backends-not-asked", "load balancer", "the Gateway that names its backend services is not there")
        return
    google = context.google()
    backends = backends_of(google, gateway)
    for model in context.models:
        name = _pool(context, model.inference_pool)
        own = [item for item in backends if item.serves(context.namespace, "InferencePool", model.inference_pool)]
        health = [item for backend in own for item in health_of(google, backend)]
        if own:
            yield _judge(name, [(f"{endpoint} ({state})", state == HEALTHY) for endpoint, state in health])
        else:
            text = f"none of the Gateway's {len(backends)} backend services has endpoints of it"
            yield failed("backends-missing", name, text)


def _pool(context: Context, name: str) -> str:
    return f"InferencePool {context.namespace}/{name}"


def _judge(name: str, endpoints: list[tuple[str, Any]]) -> Result:
    """The verdict on a pool, from each endpoint and whether it is healthy."""
    if not endpoints:
        return failed("backends-missing", name, "the load balancer has no endpoint of it")
    ill = [endpoint for endpoint, healthy in endpoints if not healthy]
    if ill:
        text = f"{len(ill)} of {len(endpoints)} unhealthy: {', '.join(ill)}"
        make = failed if len(ill) == len(endpoints) else warned
        return make("backends-unhealthy" if make is failed else "backends-some-unhealthy", name, text)
    return passed(name, f"{len(endpoints)} healthy")
