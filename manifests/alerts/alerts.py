"""Alerts of an environment: objectives whose budget burns too fast, and causes. One list for Cloud Monitoring and rehearsals.

Factors and windows of burn rates are those of Google's SRE workbook (chapter 5), as sloth writes them for 30 days.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from manifests.alerts.signals import Signals
from settings.derive import Deployment

Severity = Literal["page", "ticket"]
# Factor over the budget, long window, short window, in seconds: what pages, and what becomes a ticket.
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_BURNS: dict[Severity, tuple[tuple[float, int, int], ...]] = {
    "page": ((14.4, _HOUR, 5 * _MINUTE), (6, 6 * _HOUR, 30 * _MINUTE)),
    "ticket": ((3, _DAY, 2 * _HOUR), (1, 3 * _DAY, 6 * _HOUR)),
}
# More requests waiting before a server than this, as the inference extension's own alert has it (tools/alerts, v1.5.0).
_LONG_QUEUE = 50
_FULL_CACHE = 0.9
_START_SHARE = 0.8
# A P95 leaves that many.
_SLOW_BUDGET = 0.05


@dataclass(frozen=True)
class Condition:
    """What is asked each `every_seconds`; it fires once it has held for `hold_seconds`."""

    title: str
    query: str
    hold_seconds: int = 0
    every_seconds: int = 60


@dataclass(frozen=True)
class Alert:
    """One alert; any of its conditions fires it, or an entry of Cloud Logging that matches `log`.

    `section` is PART#ID of the runbook; `of_google`: a rehearsal has no such series.
    """

    id: str
    title: str
    severity: Severity
    section: str
    means: str
    conditions: tuple[Condition, ...]
    of_google: bool = False
    log: str = ""

    @property
    def runbook(self) -> str:
        """Where to read on, in the repository."""
        part, _, anchor = self.section.partition("#")
        return f"docs/runbook/{part}.md#{anchor}"


def alerts(deployment: Deployment, scale: float = 1) -> tuple[Alert, ...]:
    """All alerts of an environment, of objectives before causes; `scale` shortens every window and wait, for tests."""
    signals = Signals(deployment)
    found = [
        *_of_objectives(signals, scale),
        *_of_serving(signals, scale),
        *_of_google(signals, scale),
        *_of_gateway(deployment),
    ]
    return tuple(found)


def window(seconds: float) -> str:
    """A PromQL duration."""
    whole = max(1, round(seconds))
    size, unit = next((s, u) for s, u in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m"), (1, "s")) if whole % s == 0)
    return f"{whole // size}{unit}"


def _of_objectives(signals: Signals, scale: float) -> Iterator[Alert]:
    objectives = signals.deployment.settings.monitoring.objectives
    if objectives.availability is not None:
        budget = (100 - objectives.availability) / 100
        means = f"More requests fail than an availability of {objectives.availability:g} % allows."
        for severity in _BURNS:
            burns = _burns(severity, budget, signals.error_ratio, scale)
            yield Alert(f"availability-{severity}", "Requests fail", severity, "alerts#requests-fail", means, burns)
        yield Alert(
            "load-balancer-errors",
            "The load balancer answers with 5xx",
            "page",
            "alerts#load-balancer-errors",
            "Clients get 5xx, also where neither picker nor server counts the request.",
            _burns("page", budget, signals.load_balancer_ratio, scale)[:1],
            of_google=True,
        )
    if (milliseconds := objectives.time_to_first_token_p95_ms) is not None:
        means = f"More than 5 % of requests wait longer than {milliseconds} ms for their first token."
        for severity in _BURNS:
            burns = _burns(severity, _SLOW_BUDGET, lambda span: signals.slow_ratio(span, milliseconds), scale)
            yield Alert(
                f"first-token-{severity}",
                "First tokens come late",
                severity,
                "alerts#first-tokens-late",
                means,
                burns,
            )


def _burns(severity: Severity, budget: float, ratio: Callable[[str], str], scale: float) -> tuple[Condition, ...]:
    """Both windows of a burn in one condition: the long one says that it matters, the short one that it goes on."""
    made = []
    for factor, long, short in _BURNS[severity]:
        over = f"> {factor * budget:.6g}"
        spans = window(short * scale), window(long * scale)
        query = " and ".join(f"({ratio(span)}) {over}" for span in spans)
        title = f"{factor:g} times the budget over {window(long)} and {window(short)}"
        made.append(Condition(title, query, every_seconds=60 if severity == "page" else 300))
    return tuple(made)


def _of_serving(signals: Signals, scale: float) -> Iterator[Alert]:
    def one(query: str, hold_minutes: int) -> tuple[Condition, ...]:
        return (Condition(f"for {hold_minutes} minutes", query, round(hold_minutes * _MINUTE * scale)),)

    yield Alert(
        "no-picker",
        "No endpoint picker runs",
        "page",
        "verify#picker-not-ready",
        "No endpoint picker of a model answers; the load balancer picks without it, or answers 503.",
        one(signals.no_picker(), 2),
    )
    if signals.always:
        yield Alert(
            "no-endpoints",
            "The endpoint picker knows no server",
            "page",
            "alerts#no-endpoints",
            "The picker has no fresh metrics of any server of a model and rejects every request.",
            one(signals.no_endpoints(), 2),
        )
        yield Alert(
            "server-missing",
            "A model has fewer servers than replicas",
            "ticket",
            "alerts#server-missing",
            "A server that has a node has not answered for a quarter of an hour.",
            one(signals.fewer_servers(), 15),
        )
    yield Alert(
        "pods-pending",
        "Pods find no node",
        "ticket",
        "verify#model-without-nodes",
        "The scheduler finds no node for a pod, most often for want of chips.",
        one(signals.pending(), 15),
    )
    yield Alert(
        "queue-long",
        "Requests queue before the servers",
        "ticket",
        "alerts#queue-long",
        f"More than {_LONG_QUEUE} requests wait before each server of a model.",
        one(f"{signals.gauge('vllm:num_requests_waiting', 'avg')} > {_LONG_QUEUE}", 5),
    )
    yield Alert(
        "cache-full",
        "The KV caches are full",
        "ticket",
        "alerts#cache-full",
        f"The caches of a model are filled to {_FULL_CACHE:.0%} and more; requests are preempted and computed again.",
        one(f"{signals.gauge('vllm:kv_cache_usage_perc', 'avg')} > {_FULL_CACHE}", 10),
    )


def _of_google(signals: Signals, scale: float) -> Iterator[Alert]:
    def ticket(key: str, title: str, section: str, means: str, query: str, hold_minutes: int) -> Alert:
        said = f"for {hold_minutes} minutes" if hold_minutes else "at once"
        condition = Condition(said, query, round(hold_minutes * _MINUTE * scale))
        return Alert(key, title, "ticket", section, means, (condition,), of_google=True)

    restarts = f"kubernetes_io:container_restart_count{{{signals.of_google('k8s_container')}}}"
    yield ticket(
        "restarts",
        "A container restarts again and again",
        "verify#model-crashes",
        "A container of the models' namespace restarted more than twice in half an hour.",
        f"sum by (pod_name, container_name) (increase({restarts}[{window(30 * _MINUTE * scale)}])) > 2",
        0,
    )
    yield ticket(
        "start-slow",
        "A start took most of its timeout",
        "alerts#start-slow",
        f"A pod took more than {_START_SHARE:.0%} of the startup timeout; beyond it the pod is killed.",
        signals.starts(_START_SHARE),
        0,
    )
    yield ticket(
        "chips-stuck",
        "Chips do nothing while requests run",
        "alerts#chips-stuck",
        "A server holds requests and its chips have been idle for ten minutes.",
        signals.stuck_chips(),
        10,
    )
    yield ticket(
        "node-interrupted",
        "Google interrupted a node",
        "alerts#node-interrupted",
        "A node was preempted, ended or maintained.",
        f"{signals.interruptions()} > 0",
        0,
    )
    condition = signals.of_google("k8s_node", 'condition="Ready",status=~"False|Unknown"')
    yield ticket(
        "node-not-ready",
        "A node is not ready",
        "alerts#node-not-ready",
        "A node has said for ten minutes that it is not ready, or says nothing.",
        f"max by (node_name) (kubernetes_io:node_status_condition{{{condition}}}) > 0",
        10,
    )
    yield from _of_slices(signals, ticket)


def _of_gateway(deployment: Deployment) -> Iterator[Alert]:
    """Certificate Manager has no metric of expiry, and writes an entry a day for each certificate that is close to it."""
    if names := deployment.settings.gateway.certificates:
        log = f"projects/{deployment.settings.project.id}/logs/certificatemanager.googleapis.com%2Fcertificates_expiry"
        named = " OR ".join(f'jsonPayload.certificates:"{name}"' for name in names)
        yield Alert(
            "certificate-expires",
            "The Gateway's certificate expires",
            "ticket",
            "preflight#certificate-expires",
            "Certificate Manager says that a certificate expires within ten days, or has expired.",
            (),
            of_google=True,
            log=f'logName="{log}" AND ({named})',
        )


def _of_slices(signals: Signals, ticket: Callable[..., Alert]) -> Iterator[Alert]:
    shapes = [pool.shape for pool in signals.deployment.pools]
    if any(shape.multi_host for shape in shapes):
        pool = signals.of_google("k8s_node_pool")
        yield ticket(
            "slice-unavailable",
            "A multi-host slice is not whole",
            "alerts#slice-unavailable",
            "A node of a multi-host slice is missing, so that its model can't run.",
            f"min by (node_pool_name) (kubernetes_io:node_pool_multi_host_available{{{pool}}}) == 0",
            10,
        )
    if any(shape.generation == "tpu7x" for shape in shapes):
        failed = signals.of_google("k8s_entity", 'state="FAILED"')
        unhealthy = signals.of_google("k8s_node_pool", 'state="UNHEALTHY"')
        yield ticket(
            "slice-failed",
            "A slice or a partition of TPU7x is broken",
            "alerts#slice-failed",
            "GKE calls a slice failed, or a partition of its chips unhealthy.",
            f"max by (slice_topology, block_id) (kubernetes_io:accelerator_slice_state{{{failed}}}) == 1"
            f" or max by (node_pool_name, partition_id) (kubernetes_io:accelerator_partition_state{{{unhealthy}}}) == 1",
            10,
        )
