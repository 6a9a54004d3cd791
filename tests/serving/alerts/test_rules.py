"""Every alert on made-up series, by Prometheus' own promtool: what fires it, and that nothing else does.

Of Google's own series a rehearsal has none: names and labels are those of its lists. Runs with `make test-all`.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from manifests.alerts.signals import Signals
from rehearsal import assets
from serving.alerts.all_alerts import all_alerts, deployment_with_all_alerts
from tests.everything import of_everything

pytestmark = of_everything

OWN = 'cluster="tpu-serving-every",namespace="llm-serving",environment="every",model="qwen"'
SERVER = f'{OWN},job="qwen-server",instance="qwen-kserve-a:8000",pod="qwen-kserve-a"'
PICKER = f'{OWN},job="qwen-picker",instance="qwen-epp:metrics",pod="qwen-epp"'
GKE = 'cluster_name="tpu-serving-every"'
CONTAINER = f'monitored_resource="k8s_container",{GKE},namespace_name="llm-serving",pod_name="qwen-kserve-a"'
RULE = 'monitored_resource="internal_http_lb_rule",forwarding_rule_name="gkegw1-abcd-llm-serving-inference-gateway-xyz"'
ASKED = [alert for alert in all_alerts() if alert.conditions]
# One request a second that is answered, its first token within a second, on one server that the picker knows.
OK = f'http_requests_total{{{SERVER},method="POST",handler="/v1/chat/completions",status="2xx"}}'
FIRST, COUNT = (f"vllm:time_to_first_token_seconds_{part}{{{SERVER}" for part in ("bucket", "count"))
HEALTHY = {
    OK: "0+60x{n}",
    f"up{{{SERVER}}}": "1x{n}",
    f"up{{{PICKER}}}": "1x{n}",
    f'vllm:kv_cache_usage_perc{{{SERVER},engine="0"}}': "0.2x{n}",
    f'vllm:num_requests_waiting{{{SERVER},engine="0"}}': "0x{n}",
    f'vllm:num_requests_running{{{SERVER},engine="0"}}': "4x{n}",
    f'llm_d_epp_ready_endpoints{{{PICKER},name="qwen-inference-pool"}}': "1x{n}",
    f'{FIRST},engine="0",le="1.0"}}': "0+60x{n}",
    f'{COUNT},engine="0"}}': "0+60x{n}",
    f'kubernetes_io:container_accelerator_duty_cycle{{{CONTAINER},accelerator_id="0"}}': "70x{n}",
    f'kubernetes_io:container_restart_count{{{CONTAINER},container_name="main"}}': "0x{n}",
    f'loadbalancing_googleapis_com:https_internal_request_count{{{RULE},response_code_class="200"}}': "0+60x{n}",
}
FAILED = f'http_requests_total{{{SERVER},method="POST",handler="/v1/chat/completions",status="5xx"}}'
REFUSED = f'llm_d_epp_request_error_total{{{PICKER},model_name="qwen",error_code="%s"}}'
RUNNING = f'vllm:num_requests_running{{{SERVER},engine="0"}}'
NODE = f'monitored_resource="k8s_node",{GKE},node_name="gke-tpu-1"'
POOL = f'monitored_resource="k8s_node_pool",{GKE},node_pool_name="tpu"'


@dataclass(frozen=True)
class Case:
    """Series in place of, or beside, the healthy ones, and what fires at which minute."""

    name: str
    series: dict[str, str | None]
    fires: dict[int, set[str]] = field(default_factory=dict)
    minutes: int = 90
    step: int = 1  # between evaluations


BOTH, SLOW = {"availability-page", "availability-ticket"}, {"first-token-page", "first-token-ticket"}
DAYS = 3 * 1440
CASES = [
    Case("healthy", {}, {5: set(), 90: set()}),
    Case(
        "nothing is asked",
        {OK: "0x{n}", f'{COUNT},engine="0"}}': "0x{n}", f'{FIRST},engine="0",le="1.0"}}': "0x{n}"},
        {90: set()},
    ),
    # The picker's counter says nothing of it.
    Case("servers fail", {FAILED: "0+12x{n}"}, {30: BOTH}),
    Case(
        "servers fail after three good days",
        {FAILED: f"0x{DAYS} 0+12x60"},
        {DAYS: set(), DAYS + 10: set(), DAYS + 45: {"availability-page"}},
        minutes=DAYS + 60,
        step=5,
    ),
    Case("a slow leak", {FAILED: "0+1x{n}"}, {DAYS: {"availability-ticket"}}, minutes=DAYS, step=5),
    # As in llm-d's own alert this would be a division by zero.
    Case("the picker rejects everything", {OK: "0x{n}", REFUSED % "ServiceUnavailable": "0+60x{n}"}, {30: BOTH}),
    Case("clients are wrong", {REFUSED % "BadRequest": "0+60x{n}", REFUSED % "NotFound": "0+60x{n}"}, {90: set()}),
    # Counted by the picker as well, as some versions do: 1 % stays 1 %, which is a ticket.
    Case(
        "counted twice",
        {FAILED: "0+0.6x{n}", REFUSED % "ModelServerError": "0+60x{n}"},
        {90: {"availability-ticket"}},
    ),
    Case("first tokens are late", {f'{FIRST},engine="0",le="1.0"}}': "0+6x{n}"}, {30: SLOW}),
    Case(
        "first tokens are late, an edge without its zero",
        {f'{FIRST},engine="0",le="1.0"}}': None, f'{FIRST},engine="0",le="1"}}': "0+6x{n}"},
        {30: SLOW},
    ),
    Case("the picker is gone", {f"up{{{PICKER}}}": "1x10 stale"}, {10: set(), 20: {"no-picker"}}),
    Case("the picker does not answer", {f"up{{{PICKER}}}": "1x10 0x80"}, {12: set(), 20: {"no-picker"}}),
    Case(
        "no endpoint, and averages that stay",
        {
            f'llm_d_epp_ready_endpoints{{{PICKER},name="qwen-inference-pool"}}': "1x10 0x80",
            f'llm_d_epp_average_queue_size{{{PICKER},name="qwen-inference-pool"}}': "400x90",
        },
        {10: set(), 20: {"no-endpoints"}},
    ),
    Case(
        "a server is gone",
        {f'vllm:kv_cache_usage_perc{{{SERVER},engine="0"}}': "0.2x10 stale"},
        {20: set(), 40: {"server-missing"}},
    ),
    Case(
        "a pod finds no node",
        {f'kube_pod_status_unschedulable{{{OWN},pod="qwen-kserve-b"}}': "_x10 1x80"},
        {20: set(), 40: {"pods-pending"}},
    ),
    # One fault, one alert.
    Case(
        "a server is gone for want of a node",
        {
            f'vllm:kv_cache_usage_perc{{{SERVER},engine="0"}}': "0.2x10 stale",
            f'kube_pod_status_unschedulable{{{OWN},pod="qwen-kserve-b"}}': "_x10 1x40 stale",
        },
        {20: set(), 40: {"pods-pending"}, 80: {"server-missing"}},
    ),
    Case(
        "a model has no server",
        {
            f'vllm:kv_cache_usage_perc{{{SERVER},engine="0"}}': None,
            f'llm_d_epp_ready_endpoints{{{PICKER},name="qwen-inference-pool"}}': "0x60 stale",
        },
        {40: {"no-endpoints"}, 85: {"server-missing"}},
    ),
    Case(
        "a flood", {f'vllm:num_requests_waiting{{{SERVER},engine="0"}}': "0x10 200x80"}, {12: set(), 30: {"queue-long"}}
    ),
    Case(
        "full caches",
        {f'vllm:kv_cache_usage_perc{{{SERVER},engine="0"}}': "0.2x10 0.99x80"},
        {15: set(), 30: {"cache-full"}},
    ),
    Case(
        "the load balancer fails",
        {f'loadbalancing_googleapis_com:https_internal_request_count{{{RULE},response_code_class="500"}}': "0+60x{n}"},
        {30: {"load-balancer-errors"}},
    ),
    Case(
        "another Gateway fails",
        {
            'loadbalancing_googleapis_com:https_internal_request_count{monitored_resource="internal_http_lb_rule",'
            'forwarding_rule_name="gkegw1-abcd-other-gateway-xyz",response_code_class="500"}': "0+60x{n}"
        },
        {30: set()},
    ),
    Case(
        "restarts",
        {f'kubernetes_io:container_restart_count{{{CONTAINER},container_name="main"}}': "0x10 1 2 3 4 5x75"},
        {10: set(), 20: {"restarts"}, 80: set()},
    ),
    Case(
        "a slow start",
        {
            f'kubernetes_io:pod_latencies_pod_first_ready{{monitored_resource="k8s_pod",{GKE},namespace_name="llm-serving",pod_name="qwen-kserve-a"}}': "_x10 90000x80"
        },
        {5: set(), 20: {"start-slow"}},
    ),
    Case(
        "chips are stuck",
        {f'kubernetes_io:container_accelerator_duty_cycle{{{CONTAINER},accelerator_id="0"}}': "70x10 0x80"},
        {10: set(), 30: {"chips-stuck"}},
    ),
    Case(
        "chips are idle",
        {
            f'kubernetes_io:container_accelerator_duty_cycle{{{CONTAINER},accelerator_id="0"}}': "0x{n}",
            RUNNING: "0x{n}",
        },
        {30: set()},
    ),
    # Absence is no zero and no failure, before and after.
    Case(
        "an interruption",
        {
            f'kubernetes_io:node_interruption_count{{{NODE},interruption_type="TerminationEvent",interruption_reason="Preemption"}}': "_x10 1x5 _x75"
        },
        {5: set(), 13: {"node-interrupted"}, 60: set()},
    ),
    Case(
        "a node is not ready",
        {f'kubernetes_io:node_status_condition{{{NODE},condition="Ready",status="Unknown"}}': "0x10 1x80"},
        {15: set(), 30: {"node-not-ready"}},
    ),
    Case(
        "a slice is not whole",
        {f"kubernetes_io:node_pool_multi_host_available{{{POOL}}}": "1x10 0x80"},
        {15: set(), 30: {"slice-unavailable"}},
    ),
    Case(
        "a slice fails",
        {
            f'kubernetes_io:accelerator_slice_state{{monitored_resource="k8s_entity",{GKE},state="FAILED",slice_topology="2x2x2",block_id="b"}}': "0x10 1x80"
        },
        {15: set(), 30: {"slice-failed"}},
    ),
    Case(
        "a partition is unhealthy",
        {f'kubernetes_io:accelerator_partition_state{{{POOL},state="UNHEALTHY",partition_id="p"}}': "0x10 1x80"},
        {15: set(), 30: {"slice-failed"}},
    ),
]


@pytest.fixture(scope="module")
def promtool() -> Path:
    found = assets.find(["promtool"])
    if not found:
        pytest.skip("promtool not found; `python -m rehearsal.assets promtool` gets it")
    return found["promtool"].path


def rules() -> dict[str, Any]:
    """One rule an alert, without labels, so that a case names alerts alone."""
    made = []
    for alert in ASKED:
        query = " or ".join(f"({condition.query})" for condition in alert.conditions)
        made.append({"alert": alert.id, "expr": f"count({query}) > 0", "for": f"{alert.conditions[0].hold_seconds}s"})
    return {"groups": [{"name": "every", "rules": made}]}


def unit_test_of(case: Case) -> dict[str, Any]:
    series = {name: values for name, values in {**HEALTHY, **case.series}.items() if values is not None}
    return {
        "name": case.name,
        "interval": "1m",
        "input_series": [{"series": name, "values": values.format(n=case.minutes)} for name, values in series.items()],
        "alert_rule_test": [
            {
                "eval_time": f"{minute}m",
                "alertname": alert.id,
                "exp_alerts": [{"exp_labels": {}}] if alert.id in fires else [],
            }
            for minute, fires in case.fires.items()
            for alert in ASKED
        ],
    }


def promtool_says(promtool: Path, folder: Path, tests: list[dict[str, Any]], step: int = 1) -> str:
    """Empty where it is content."""
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules()), encoding="utf-8")
    document = {"rule_files": ["rules.yaml"], "evaluation_interval": f"{step}m", "tests": tests}
    (folder / "tests.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    done = subprocess.run(
        [str(promtool), "test", "rules", "tests.yaml"], cwd=folder, capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_every_alert_has_a_case() -> None:
    assert {name for case in CASES for fires in case.fires.values() for name in fires} == {a.id for a in ASKED}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_exactly_what_is_meant_fires(promtool: Path, tmp_path: Path, case: Case) -> None:
    assert promtool_says(promtool, tmp_path, [unit_test_of(case)], case.step) == ""


def test_a_case_that_expects_something_else_is_noticed(promtool: Path, tmp_path: Path) -> None:
    wrong = unit_test_of(Case("wrong", {FAILED: "0+12x{n}"}, {30: set()}))
    assert "availability-page" in promtool_says(promtool, tmp_path, [wrong])


def test_the_share_of_failed_requests_is_between_nothing_and_all(promtool: Path, tmp_path: Path) -> None:
    signals = Signals(deployment_with_all_alerts())
    series = [{"series": name, "values": values.format(n=30)} for name, values in HEALTHY.items() if name != OK]
    ready = {"series": f'llm_d_epp_average_queue_size{{{PICKER},name="p"}}', "values": "400x30"}
    refused = {"series": REFUSED % "ServiceUnavailable", "values": "0+60x30"}
    none = [one for one in series if "ready_endpoints" not in one["series"]]
    gone = {"series": f'llm_d_epp_ready_endpoints{{{PICKER},name="p"}}', "values": "0x30"}
    tests = [
        {
            "interval": "1m",
            "input_series": [*none, gone, ready, refused, {"series": FAILED, "values": "0+60x30"}],
            "promql_expr_test": [
                # Everything fails, half at the picker and half at servers.
                _expects(signals.error_ratio("5m"), [{"labels": '{model="qwen"}', "value": 1}]),
                _expects(f"({signals.picked_queue()}) > 0", []),
            ],
        },
        {
            "interval": "1m",
            "input_series": [*series, ready],
            "promql_expr_test": [
                _expects(f"({signals.error_ratio('5m')}) >= 0", []),
                _expects(signals.picked_queue(), [{"labels": '{model="qwen"}', "value": 400}]),
            ],
        },
    ]
    assert promtool_says(promtool, tmp_path, tests) == ""


def _expects(query: str, samples: list[dict[str, Any]]) -> dict[str, Any]:
    return {"expr": query, "eval_time": "20m", "exp_samples": samples}
