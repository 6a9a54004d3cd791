"""The panels of the dashboard: one list, from which the Cloud Monitoring and the Grafana dashboard are made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from manifests.alerts.signals import Signals
from settings.cost import estimate
from settings.derive import Deployment, ServedModel

Unit = Literal["1/s", "s", "ratio", "count", "percent", "USD"]


@dataclass(frozen=True)
class Line:
    """One query of a panel. `legend` names labels in braces: `{model}`."""

    query: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """One chart."""

    title: str
    unit: Unit
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


def rows(deployment: Deployment, window: str = "5m") -> tuple[Row, ...]:
    """All rows; `window` is what rates are taken over."""
    signals = Signals(deployment)
    return (
        Row("Requests", tuple(_requests(signals, window))),
        Row("Latency", tuple(_latency(signals, window))),
        Row("Load", tuple(_load(signals, window))),
        Row("Tokens and cost", tuple(_tokens(signals, window))),
        Row("Endpoint picker", tuple(_picker(signals, window))),
        Row("TPU", tuple(_chips(signals))),
        Row("Nodes", tuple(_nodes(signals))),
    )


def _requests(signals: Signals, window: str) -> Iterator[Panel]:
    yield Panel(
        "Requests by status",
        "1/s",
        (Line(signals.rate("http_requests_total", window, by="model, status"), "{model} {status}"),),
    )
    objective = signals.deployment.settings.monitoring.objectives.availability
    # Without a failure there is no series of failures: a zero shows that requests were counted.
    requests = signals.requests(window)
    lines = [Line(f"({signals.failed(window)} or 0 * {requests}) / {requests}", "{model}")]
    if objective is not None:
        lines.append(Line(f"vector({(100 - objective) / 100:.6g})", "budget"))
    yield Panel("Share of requests that fail", "ratio", tuple(lines))
    by_class = signals.of_load_balancer(window).replace("sum(", "sum by (response_code_class) (", 1)
    yield Panel("Requests at the load balancer", "1/s", (Line(by_class, "{response_code_class}"),))


def _latency(signals: Signals, window: str) -> Iterator[Panel]:
    for title, metric in (
        ("Time to the first token", "vllm:time_to_first_token_seconds"),
        ("Time between tokens", "vllm:inter_token_latency_seconds"),
    ):
        shares = ((0.5, "P50"), (0.95, "P95"), (0.99, "P99"))
        lines = [Line(signals.quantile(metric, share, window), f"{{model}} {name}") for share, name in shares]
        objective = signals.deployment.settings.monitoring.objectives.time_to_first_token_p95_ms
        if objective is not None and "first" in metric:
            lines.append(Line(f"vector({objective / 1000:g})", "objective"))
        yield Panel(title, "s", tuple(lines))


def _load(signals: Signals, window: str) -> Iterator[Panel]:
    running, waiting = signals.gauge("vllm:num_requests_running"), signals.gauge("vllm:num_requests_waiting")
    yield Panel(
        "Requests in the servers", "count", (Line(running, "{model} running"), Line(waiting, "{model} waiting"))
    )
    usage = signals.gauge("vllm:kv_cache_usage_perc", "max", by="model, pod")
    yield Panel("KV cache in use", "ratio", (Line(usage, "{model} {pod}"),))
    yield Panel("Prompt tokens found in the prefix cache", "ratio", (Line(signals.hit_ratio(window), "{model}"),))
    yield Panel("Servers that answer", "count", (Line(signals.servers(), "{model}"),))


def _tokens(signals: Signals, window: str) -> Iterator[Panel]:
    prompt, made = "vllm:prompt_tokens_total", "vllm:generation_tokens_total"
    tokens = (Line(signals.rate(prompt, window), "{model} in"), Line(signals.rate(made, window), "{model} out"))
    yield Panel("Tokens", "1/s", tokens)
    if signals.deployment.settings.gateway.consumers:
        by_client = signals.rate("llm_d_epp_request_output_tokens_sum", window, by="model, fairness_id")
        yield Panel(
            "Generated tokens by what clients call themselves", "1/s", (Line(by_client, "{model} {fairness_id}"),)
        )
    costs = ((model.name, _chips_hour(signals.deployment, model)) for model in signals.deployment.models)
    lines = tuple(
        Line(
            # Servers x USD a second of each, over the tokens that all of them write in a second.
            f"{signals.servers(_is(name))} * {cost / 3600:.6g} / {signals.rate(made, '1h', _is(name))} * 1e6",
            "{model}",
        )
        for name, cost in costs
        if cost is not None
    )
    if lines:
        yield Panel("Chips for a million generated tokens, last hour", "USD", lines)


def _is(model: str) -> str:
    return f'model="{model}"'


def _chips_hour(deployment: Deployment, model: ServedModel) -> float | None:
    """USD an hour of the chips of one server, by the prices of the plan; None where none is known."""
    name = f"TPU {model.shape.generation} "
    each = next((item.unit_price for item in estimate(deployment).items if item.name.startswith(name)), None)
    return None if each is None else each * model.shape.chips


def _picker(signals: Signals, window: str) -> Iterator[Panel]:
    decisions = signals.rate("llm_d_epp_scheduler_attempts_total", window, by="model, status")
    yield Panel("Decisions", "1/s", (Line(decisions, "{model} {status}"),))
    refused = signals.rate("llm_d_epp_request_error_total", window, by="model, error_code")
    yield Panel("Requests that the picker counts as failed", "1/s", (Line(refused, "{model} {error_code}"),))
    ready = Line(signals.ready_endpoints(), "{model} endpoints")
    yield Panel(
        "Endpoints with fresh metrics, and their queue", "count", (ready, Line(signals.picked_queue(), "{model} queue"))
    )
    took = signals.quantile("llm_d_epp_scheduler_e2e_duration_seconds", 0.99, window)
    yield Panel("Time of a decision", "s", (Line(took, "{model} P99"),))


def _chips(signals: Signals) -> Iterator[Panel]:
    def by_pod(name: str) -> str:
        return f"avg by (pod_name) (kubernetes_io:container_accelerator_{name}{{{signals.of_google('k8s_container')}}})"

    for title, name in (
        ("Duty cycle", "duty_cycle"),
        ("TensorCore utilization", "tensorcore_utilization"),
        ("Memory bandwidth utilization", "memory_bandwidth_utilization"),
    ):
        yield Panel(title, "percent", (Line(by_pod(name), "{pod_name}"),))
    memory = f"{by_pod('memory_used')} / {by_pod('memory_total')}"
    yield Panel("Memory in use", "ratio", (Line(memory, "{pod_name}"),))


def _nodes(signals: Signals) -> Iterator[Panel]:
    interrupted = Line(signals.interruptions(), "{node_name} {interruption_type} {interruption_reason}")
    yield Panel("Interruptions of nodes", "count", (interrupted,))
    ready = signals.of_google("k8s_node", 'condition="Ready"')
    query = f"sum by (status) (kubernetes_io:node_status_condition{{{ready}}})"
    yield Panel("Nodes by readiness", "count", (Line(query, "ready: {status}"),))
    pending = f"count by (namespace) (kube_pod_status_unschedulable{{{signals.own}}} > 0)"
    yield Panel("Pods that find no node", "count", (Line(pending, "{namespace}"),))
    starts = f"max by (pod_name) (kubernetes_io:pod_latencies_pod_first_ready{{{signals.of_google('k8s_pod')}}})"
    yield Panel("Time from a pod's creation until it was ready", "s", (Line(starts, "{pod_name}"),))
