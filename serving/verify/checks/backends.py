"""Whether the load balancer's own health checks find the servers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from serving.verify.context import Context
from serving.verify.registry import check
from serving.verify.results import Result, failed, passed, unknown, warned
from serving.verify.target import TargetError, read_load_balancer


@check(
    "backends-healthy",
    "Every backend healthy",
    "health of each endpoint of every pool, as the load balancer sees it",
    ("backends-unhealthy", "backends-some-unhealthy", "backends-missing", "backends-not-asked", "time-is-up"),
)
def backends_healthy(context: Context) -> Iterator[Result]:
    """In a rehearsal from the load balancer's record; Google's API is not asked yet."""
    if not context.target.rehearsal:
        for model in context.models:
            text = "Google's API is not asked by this check; ask it with gcloud as the runbook says"
            yield unknown("backends-not-asked", f"InferencePool {context.namespace}/{model.inference_pool}", text)
        return
    try:
        backends = read_load_balancer(context.target.load_balancer).get("backends") or []
        for model in context.models:
            own = [item for item in backends if (item["kind"], item["name"]) == ("InferencePool", model.inference_pool)]
            yield _judge(f"InferencePool {context.namespace}/{model.inference_pool}", own)
    except (TargetError, KeyError, TypeError, AttributeError) as error:
        yield failed("backends-missing", "load balancer", str(error))


def _judge(name: str, backends: list[dict[str, Any]]) -> Result:
    ill = [item for item in backends if not item["healthy"]]
    if not backends:
        return failed("backends-missing", name, "the load balancer has no endpoint of it")
    since = ", ".join(f"{item['endpoint']} (since {item.get('since', 'unknown')})" for item in ill)
    if len(ill) == len(backends):
        return failed("backends-unhealthy", name, f"{len(ill)} of {len(backends)} unhealthy: {since}")
    if ill:
        return warned("backends-some-unhealthy", name, f"{len(ill)} of {len(backends)} unhealthy: {since}")
    return passed(name, f"{len(backends)} healthy")
