"""Whether the load balancer's own health checks find the servers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cluster.errors import CannotAskError
from cluster.load_balancer import RecordError, read_record
from serving.checking.findings import Finding, failed, passed, unknown, warned
from serving.google.errors import GOOGLE_FAILURES
from serving.live.context import NONE_NOW, Context, scaled_to_zero
from serving.live.google_backends import HEALTHY, backends_of, health_of
from serving.verify.checks.gateway import declared_gateway
from serving.verify.registry import KUBERNETES_FAILURES, check


@check(
    "backends-healthy",
    "Every backend healthy",
    "health of each endpoint of every pool, as the load balancer sees it: Google's API, or the rehearsal's record",
    (
        *KUBERNETES_FAILURES,
        *GOOGLE_FAILURES,
        "backends-unhealthy",
        "backends-some-unhealthy",
        "backends-missing",
        "backends-not-asked",
    ),
    budget=60,
)
def backends_healthy(context: Context) -> Iterator[Finding]:
    """On the cloud with application default credentials, as preflight asks."""
    if context.target.rehearsal:
        yield from _of_rehearsal(context)
        return
    gateway = declared_gateway(context)
    if gateway is None:
        yield unknown("backends-not-asked", "load balancer", "the Gateway that names its backend services is not there")
        return
    try:
        yield from _of_google(context, gateway)
    except CannotAskError as error:
        for model in context.models:
            yield unknown(error.failure, _pool(context, model.inference_pool), error.message)


def _of_rehearsal(context: Context) -> Iterator[Finding]:
    assert context.target.load_balancer is not None
    try:
        record = read_record(context.target.load_balancer)
    except RecordError as error:
        yield failed("backends-missing", "load balancer", str(error))
        return
    for model in context.models:
        if scaled_to_zero(context, model):
            yield passed(_pool(context, model.inference_pool), NONE_NOW)
            continue
        own = [b for b in record.backends if (b.kind, b.name) == ("InferencePool", model.inference_pool)]
        yield _judge(
            _pool(context, model.inference_pool), [(f"{b.endpoint} (since {b.since})", b.healthy) for b in own]
        )


def _of_google(context: Context, gateway: dict[str, Any]) -> Iterator[Finding]:
    google = context.google()
    backends = backends_of(google, gateway)
    for model in context.models:
        name = _pool(context, model.inference_pool)
        if scaled_to_zero(context, model):
            yield passed(name, NONE_NOW)
            continue
        own = [item for item in backends if item.serves(context.namespace, "InferencePool", model.inference_pool)]
        health = [item for backend in own for item in health_of(google, backend)]
        if own:
            yield _judge(name, [(f"{endpoint} ({state})", state == HEALTHY) for endpoint, state in health])
        else:
            text = f"none of the Gateway's {len(backends)} backend services has endpoints of it"
            yield failed("backends-missing", name, text)


def _pool(context: Context, name: str) -> str:
    return f"InferencePool {context.namespace}/{name}"


def _judge(name: str, endpoints: list[tuple[str, Any]]) -> Finding:
    """The verdict on a pool, from each endpoint and whether it is healthy."""
    if not endpoints:
        return failed("backends-missing", name, "the load balancer has no endpoint of it")
    ill = [endpoint for endpoint, healthy in endpoints if not healthy]
    if ill:
        text = f"{len(ill)} of {len(endpoints)} unhealthy: {', '.join(ill)}"
        make = failed if len(ill) == len(endpoints) else warned
        return make("backends-unhealthy" if make is failed else "backends-some-unhealthy", name, text)
    return passed(name, f"{len(endpoints)} healthy")
