"""Signals of an environment as PromQL, in the names that the deployed picker and server expose (catalog/data/metrics.yaml).

Expressions are the same for Cloud Monitoring and for a Prometheus. They group by the label `model`, which PodMonitoring takes
from the pods, and never name a metric by a pattern, which Cloud Monitoring does not support.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from catalog.metrics import TTFT, edge_below
from manifests.monitoring import picker_job
from settings.derive import Deployment, ServedModel

# Of the picker: what it failed itself. What the client got wrong is none, and the server counts its own 5xx.
_PICKER_FAILED = 'error_code=~"Internal|ResourceExhausted|ServiceUnavailable|Unknown"'
_LOAD_BALANCERS = {
    False: ("loadbalancing_googleapis_com:https_internal_request_count", "internal_http_lb_rule"),
    True: ("loadbalancing_googleapis_com:https_external_regional_request_count", "http_external_regional_lb_rule"),
}


@dataclass(frozen=True)
class Signals:
    """The signals of one environment. A window is a PromQL duration such as `5m`."""

    deployment: Deployment

    @property
    def own(self) -> str:
        """Labels of the environment's series in managed Prometheus."""
        return f'cluster="{self.deployment.cluster_name}",namespace="{self.deployment.namespace}"'

    def of_google(self, resource: str, labels: str = "") -> str:
        """Labels of the environment's series of GKE."""
        inside = f',namespace_name="{self.deployment.namespace}"' if resource in ("k8s_container", "k8s_pod") else ""
        more = f",{labels}" if labels else ""
        return f'monitored_resource="{resource}",cluster_name="{self.deployment.cluster_name}"{inside}{more}'

    def _both(self, server: str, window: str) -> str:
        """Requests that reached a server, and those that the picker refused before; a request is in one of them."""
        labels = f"{self.own},{server}" if server else self.own
        return (
            f"sum by (model) (rate(http_requests_total{{{labels}}}[{window}])"
            f" or rate(llm_d_epp_request_error_total{{{self.own},{_PICKER_FAILED}}}[{window}]))"
        )

    def requests(self, window: str) -> str:
        """Requests a second. The picker's own counter has neither what it refuses nor what goes past it."""
        return self._both("", window)

    def failed(self, window: str) -> str:
        """Requests a second that the service failed. The picker's error counter misses the servers' 5xx."""
        return self._both('status="5xx"', window)

    def error_ratio(self, window: str) -> str:
        """Share of failed requests, 0 to 1; NaN, which no comparison holds for, where nothing was asked."""
        return f"{self.failed(window)} / {self.requests(window)}"

    def slow_ratio(self, window: str, milliseconds: int) -> str:
        """Share of requests whose first token took longer than the bucket edge that is not above the objective."""
        edge = edge_below(milliseconds) / 1000
        # An edge that is whole is written 1 or 1.0, by version.
        le = f'le=~"{edge:.0f}(\\\\.0)?"' if edge == int(edge) else f'le="{edge:g}"'
        return (
            f"1 - sum by (model) (rate({TTFT}_bucket{{{self.own},{le}}}[{window}]))"
            f" / sum by (model) (rate({TTFT}_count{{{self.own}}}[{window}]))"
        )

    def quantile(self, metric: str, share: float, window: str) -> str:
        """A quantile of a histogram, by model."""
        return f"histogram_quantile({share:g}, sum by (model, le) (rate({metric}_bucket{{{self.own}}}[{window}])))"

    def rate(self, metric: str, window: str, labels: str = "", by: str = "model") -> str:
        """A counter a second."""
        more = f",{labels}" if labels else ""
        return f"sum by ({by}) (rate({metric}{{{self.own}{more}}}[{window}]))"

    def gauge(self, metric: str, function: str = "sum", labels: str = "", by: str = "model") -> str:
        """A gauge of all servers."""
        more = f",{labels}" if labels else ""
        return f"{function} by ({by}) ({metric}{{{self.own}{more}}})"

    def servers(self, labels: str = "") -> str:
        """Servers that answer: the processes that have a cache. Workers of a multi-host slice have none."""
        more = f",{labels}" if labels else ""
        return f"count by (model) (count by (model, instance) (vllm:kv_cache_usage_perc{{{self.own}{more}}}))"

    @property
    def always(self) -> tuple[ServedModel, ...]:
        """Models that have a server at any time; a schedule may leave none."""
        return tuple(model for model in self.deployment.models if model.least_replicas)

    def fewer_servers(self) -> str:
        """A model has fewer servers than replicas, or none.

        Not for want of a node, and not where the picker knows no server: these have alerts of their own.
        """
        return _any(
            f"({self.servers(_model(m.name))} < {m.least_replicas}"
            f" or absent(vllm:kv_cache_usage_perc{{{self.own},{_model(m.name)}}}))"
            f" unless on () {self.pending(_named('pod', m))} unless on (model) {self.ready_endpoints()} == 0"
            for m in self.always
        )

    def pending(self, labels: str = "") -> str:
        """Pods that find no node; only these have a series."""
        more = f",{labels}" if labels else ""
        return f"sum by (pod) (kube_pod_status_unschedulable{{{self.own}{more}}}) > 0"

    def no_endpoints(self) -> str:
        """The picker of a model has no endpoint."""
        named = f'model=~"{"|".join(model.name for model in self.always)}"'
        return f"max by (model) (llm_d_epp_ready_endpoints{{{self.own},{named}}}) == 0"

    def no_picker(self) -> str:
        """No endpoint picker of a model is scraped."""
        return _any(f'absent(up{{{self.own},job="{picker_job(m)}"}} == 1)' for m in self.deployment.models)

    def ready_endpoints(self) -> str:
        """Endpoints of which the picker has fresh metrics."""
        return f"max by (model) (llm_d_epp_ready_endpoints{{{self.own}}})"

    def picked_queue(self) -> str:
        """The picker's view of the queues; without an endpoint it would stay at its last value."""
        return f"max by (model) (llm_d_epp_average_queue_size{{{self.own}}}) and {self.ready_endpoints()} > 0"

    def hit_ratio(self, window: str) -> str:
        """Share of prompt tokens found in the prefix caches."""
        hits, queries = "vllm:prefix_cache_hits_total", "vllm:prefix_cache_queries_total"
        return f"{self.rate(hits, window)} / {self.rate(queries, window)}"

    def starts(self, share: float) -> str:
        """Pods whose start took more than a share of the startup timeout."""
        metric = "kubernetes_io:pod_latencies_pod_first_ready"
        return _any(
            f"max by (pod_name) ({metric}{{{self.of_google('k8s_pod', _named('pod_name', m))}}})"
            f" > {m.startup_budget_seconds * share:.0f}"
            for m in self.deployment.models
        )

    def stuck_chips(self) -> str:
        """Servers with running requests whose chips do nothing."""
        busy = f"sum by (pod) (vllm:num_requests_running{{{self.own}}}) > 0"
        duty = f"kubernetes_io:container_accelerator_duty_cycle{{{self.of_google('k8s_container')}}}"
        return f'label_replace(max by (pod_name) ({duty}), "pod", "$1", "pod_name", "(.+)") == 0 and on (pod) {busy}'

    def interruptions(self) -> str:
        """Nodes that were interrupted, by reason; without one there is no series, which is no zero and no failure."""
        metric = f"kubernetes_io:node_interruption_count{{{self.of_google('k8s_node')}}}"
        return f"sum by (node_name, interruption_type, interruption_reason) (max_over_time({metric}[10m]))"

    def of_load_balancer(self, window: str, labels: str = "") -> str:
        """Requests a second at the load balancer."""
        gateway = self.deployment.settings.gateway
        metric, resource = _LOAD_BALANCERS[gateway.external]
        rule = f'forwarding_rule_name=~"{forwarding_rule(self.deployment.namespace, gateway.name)}"'
        more = f",{labels}" if labels else ""
        return f'sum(rate({metric}{{monitored_resource="{resource}",{rule}{more}}}[{window}]))'

    def load_balancer_ratio(self, window: str) -> str:
        """Share of requests that clients got a 5xx for."""
        return f"{self.of_load_balancer(window, _SERVER_ERROR)} / {self.of_load_balancer(window)}"


def forwarding_rule(namespace: str, gateway: str) -> str:
    """A pattern of the name that GKE gives a Gateway's forwarding rule (ADR 66).

    It is gkegw1-HASH-NAMESPACE-GATEWAY-HASH, with hashes of 4 and 12 characters; where it would be longer than 63, both names
    are shortened in proportion.
    """
    share = 37 / (len(namespace) + len(gateway))
    names = (name if share >= 1 else f"{name[: int(len(name) * share) - 1]}.*" for name in (namespace, gateway))
    return f"gkegw1-.*-{'-'.join(names)}-.*"


_SERVER_ERROR = 'response_code_class="500"'


def _any(conditions: Iterable[str]) -> str:
    return " or ".join(conditions)


def _model(name: str) -> str:
    return f'model="{name}"'


def _named(label: str, model: ServedModel) -> str:
    """A label that names a pod of a model's servers; KServe's names begin so."""
    return f'{label}=~"{model.name}-kserve-.*"'
