"""Alerts and panels: names that exist, traps of the metrics, forms that Google accepts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import googleapiclient
import pytest
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard as GrafanaDashboard
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from catalog.files import read_yaml
from catalog.metrics import TTFT, edge_below, load_metrics, ttft_edges
from manifests.alerts.alerts import Alert, alerts
from manifests.alerts.dashboards import cloud_dashboard, grafana_dashboard
from manifests.alerts.panels import rows
from manifests.alerts.signals import forwarding_rule
from serving.alerts.all_alerts import all_alerts
from serving.program.record import record
from settings.derive import Deployment
from settings.document import ROOT, Document, read_document
from settings.load import parse
from tests.checks.cases import GOOD

# What managed Prometheus and PodMonitoring put on a series, and GKE on its own by resource.
COLLECTED = {"cluster", "namespace", "job", "instance", "pod", "model", "environment", "le"}
RESOURCES = {
    "k8s_container": {"cluster_name", "namespace_name", "pod_name", "container_name"},
    "k8s_pod": {"cluster_name", "namespace_name", "pod_name"},
    "k8s_node": {"cluster_name", "node_name"},
    "k8s_node_pool": {"cluster_name", "node_pool_name"},
    "k8s_entity": {"cluster_name"},
    "internal_http_lb_rule": {"forwarding_rule_name"},
    "http_external_regional_lb_rule": {"forwarding_rule_name"},
}
SERIES = {series: metric for metric in load_metrics().values() for series in metric.series}
OBJECTIVES = {"availability": 99.5, "timeToFirstTokenP95Ms": 1000}


def deployment(**changes: Any) -> Deployment:
    settings, found, _ = parse(Document("e", "e.yaml", {**GOOD, "monitoring": {"objectives": OBJECTIVES}, **changes}))
    assert settings is not None and not found
    return Deployment("e", settings)


def queries() -> Iterator[str]:
    external = deployment(gateway={"gatewayClassName": "gke-l7-regional-external-managed"})
    consumer = {
        "name": "search",
        "models": [GOOD["models"][0]["name"]],
        "serviceAccount": "a@p.iam.gserviceaccount.com",
    }
    for asked in (deployment(), external, deployment(gateway={"consumers": [consumer]})):
        yield from (line.query for row in rows(asked) for panel in row.panels for line in panel.lines)
        yield from (condition.query for alert in alerts(asked) for condition in alert.conditions)
    yield from (condition.query for alert in all_alerts() for condition in alert.conditions)


def unknown(query: str) -> set[str]:
    """Series, and labels in selectors, that nobody exposes."""
    wrong = set()
    selectors = re.findall(r"([a-zA-Z_][\w:]*)\{([^}]*)\}", query)
    assert selectors or query.startswith("vector("), query
    for name, inside in selectors:
        metric = SERIES.get(name)
        if metric is None:
            wrong.add(name)
            continue
        labels = set(re.findall(r"(\w+)(?:=~|!~|!=|=)\"", inside))
        if metric.origin == "google":
            assert f'monitored_resource="{metric.resource}"' in inside, name
            known = {"monitored_resource", *metric.labels, *RESOURCES[metric.resource]}
        else:
            assert {"cluster", "namespace"} <= labels, f"{name} is asked of every environment of the project"
            known = {*metric.labels, *COLLECTED}
        wrong |= labels - known
    return wrong


def test_every_series_and_label_is_exposed_by_somebody() -> None:
    asked = list(queries())
    assert len(asked) > 80
    assert {(query, name) for query in asked for name in unknown(query)} == set()
    used = {name for query in asked for name in re.findall(r"([a-zA-Z_][\w:]*)\{", query)}
    own = {name for name, metric in load_metrics().items() if metric.origin != "picker"}
    assert own <= {SERIES[name].name for name in used}, "a metric that nothing asks for"


@pytest.mark.parametrize(
    "misspelt",
    [
        'rate(vllm:num_preemptions{cluster="c",namespace="n"}[5m])',
        'rate(vllm:prefix_cache_hits{cluster="c",namespace="n"}[5m])',
        'vllm:num_requests_waiting{cluster="c",namespace="n",modell="m"}',
        'kubernetes_io:node_interruptions_count{monitored_resource="k8s_node"}',
        'kubernetes_io:node_interruption_count{monitored_resource="k8s_node",kind="x"}',
    ],
)
def test_a_misspelt_name_is_noticed(misspelt: str) -> None:
    assert unknown(misspelt)


def test_counters_end_in_total_where_a_client_library_names_them() -> None:
    for metric in load_metrics().values():
        if metric.origin != "google":
            assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert metric.origin == "picker" or metric.origin in read_yaml("metrics.yaml")["sources"]


def test_rates_are_of_counters_and_of_nothing_else() -> None:
    for query in queries():
        for name in re.findall(r"(?:rate|increase)\(([\w:]+)\{", query):
            assert SERIES[name].kind in ("counter", "histogram"), query
        for name in re.findall(r"([\w:]+)\{[^}]*\}\[", query):
            assert SERIES[name].kind != "gauge" or f"max_over_time({name}" in query, query
        assert "__name__" not in query, "Cloud Monitoring selects no metric by a pattern"


def test_no_ratio_trusts_the_pickers_own_counters() -> None:
    """Its errors miss the servers' 5xx, its requests leave out what it refuses: http_requests_total is in both sides."""
    [page] = [a for a in alerts(deployment()) if a.id == "availability-page"]
    for condition in page.conditions:
        assert "llm_d_epp_request_total" not in condition.query
        failed, asked = condition.query.split(" and ")[0].split(" / ")
        refused = re.findall(r"or rate\(llm_d_epp_request_error_total\{[^}]*\}", failed)
        # What the picker refused is in both, so that the ratio can't exceed 1 and is no division by zero.
        assert refused and refused == re.findall(r"or rate\(llm_d_epp_request_error_total\{[^}]*\}", asked)
        assert 'http_requests_total{cluster="tpu-serving-e",namespace="llm-serving",status="5xx"}' in failed
        assert 'http_requests_total{cluster="tpu-serving-e",namespace="llm-serving"}' in asked
        for client in ("BadRequest", "NotFound", "Unauthorized", "ModelServerError"):
            assert client not in failed


def test_an_average_of_the_picker_is_read_beside_fresh_endpoints_only() -> None:
    guarded = [query for query in queries() if "llm_d_epp_average_" in query]
    assert guarded
    for query in guarded:
        assert re.search(r" and max by \(model\) \(llm_d_epp_ready_endpoints\{[^}]*\}\) > 0$", query)
    assert not any("llm_d_epp_average_" in c.query for a in all_alerts() for c in a.conditions)


@pytest.mark.parametrize("edge", ttft_edges())
def test_an_objective_is_counted_by_an_edge_of_the_histogram(edge: int) -> None:
    assert edge_below(edge) == edge == edge_below(edge + 1)
    asked = deployment(monitoring={"objectives": {"timeToFirstTokenP95Ms": edge}})
    [page] = [a for a in alerts(asked) if a.id == "first-token-page"]
    [pattern] = set(re.findall(r'le=~?"([^"]+)"', page.conditions[0].query))
    # As client libraries write an edge: 1.0 in Python, 1 in Go.
    for written in (str(edge / 1000), f"{edge / 1000:g}"):
        assert re.fullmatch(pattern.replace("\\\\", "\\"), written)
    assert not re.fullmatch(pattern.replace("\\\\", "\\"), "10.05")
    assert f"{TTFT}_count" in page.conditions[0].query


def test_burn_rates_are_those_of_the_workbook_and_can_be_reached() -> None:
    found = {
        a.id: [(c.title, float(re.findall(r"\) > ([\d.e-]+)", c.query)[0])) for c in a.conditions]
        for a in all_alerts()
        if any("times the budget" in c.title for c in a.conditions)
    }
    budget = 0.005
    assert [over for _, over in found["availability-page"]] == [pytest.approx(14.4 * budget), pytest.approx(6 * budget)]
    assert [over for _, over in found["availability-ticket"]] == [pytest.approx(3 * budget), pytest.approx(budget)]
    assert [over for _, over in found["first-token-page"]] == [pytest.approx(0.72), pytest.approx(0.3)]
    titles = [title for key in ("availability-page", "availability-ticket") for title, _ in found[key]]
    assert [re.findall(r"\d+[mhd]", title) for title in titles] == [
        ["1h", "5m"],
        ["6h", "30m"],
        ["1d", "2h"],
        ["3d", "6h"],
    ]
    lowest = deployment(monitoring={"objectives": {"availability": 95}})
    assert all(float(over) < 1 for a in alerts(lowest) for over in re.findall(r"\) > (0\.\d+)", a.conditions[0].query))


def test_each_condition_of_a_burn_has_both_windows_and_fires_once_for_a_model() -> None:
    for alert in all_alerts():
        for condition in alert.conditions:
            if "times the budget" in condition.title:
                long, short = re.findall(r"\d+[mhd]", condition.title)
                assert set(re.findall(r"\[(\w+)\]", condition.query)) == {long, short}
                assert condition.query.count(" and ") == 1


def test_alerts_are_made_where_somebody_asks_for_them() -> None:
    names = {alert.id for alert in alerts(deployment(monitoring={"notify": []}))}
    assert not {name for name in names if "availability" in name or "first-token" in name}
    assert "slice-failed" not in names and "slice-failed" in {a.id for a in all_alerts()}
    assert not deployment(monitoring={"budgetPerMonth": 1}).alerted
    assert not deployment(platform={"monitoring": False}).alerted


def test_a_model_that_a_schedule_leaves_without_a_replica_has_no_alert_on_its_servers() -> None:
    times = {"from": "0 7 * * 1-5", "to": "0 20 * * 1-5", "timezone": "UTC", "replicas": 2}
    [model] = GOOD["models"]
    night = {**model, "name": "night", "scaling": {"schedule": [times], "otherwise": 0}}
    both = {alert.id: alert.conditions[0].query for alert in alerts(deployment(models=[model, night]))}
    assert not any('night"' in both[name] or "night|" in both[name] for name in ("no-endpoints", "server-missing"))
    assert not {"no-endpoints", "server-missing"} & {a.id for a in alerts(deployment(models=[night]))}


@given(name_of_dns := st.from_regex(r"[a-z]([a-z0-9-]{0,40}[a-z0-9])?", fullmatch=True), name_of_dns)
def test_the_load_balancers_rule_is_found_also_where_gke_shortens_its_name(namespace: str, gateway: str) -> None:
    """Shortened as GKE's controllers of Ingresses do (ingress-gce, TrimFieldsEvenly), which names seen in public fit."""
    fields, total = (namespace, gateway), len(namespace) + len(gateway)
    kept = [len(name) - len(name) * (total - 37) // total - 1 for name in fields] if total > 37 else [63, 63]
    for index in range(max(0, 37 - sum(kept))):
        kept[index] += 1
    name = f"gkegw1-a1b2-{'-'.join(name[:length] for name, length in zip(fields, kept, strict=True))}-abcdef012345"
    assert len(name) <= 63
    assert re.fullmatch(forwarding_rule(namespace, gateway), name)


@pytest.mark.parametrize(
    ("namespace", "gateway", "rule"),
    [
        # Read in public repositories.
        ("exercises", "log-ping-app-gateway", "gkegw1-nv9e-exercises-log-ping-app-gateway-tz4nlc0g34o7"),
        ("gateway-system", "external-https", "gkegw1-7hi6-gateway-system-external-https-vcwkifae8uuy"),
    ],
)
def test_rules_of_others_are_found_by_their_gateways(namespace: str, gateway: str, rule: str) -> None:
    assert re.fullmatch(forwarding_rule(namespace, gateway), rule)
    assert not re.fullmatch(forwarding_rule("llm-serving", "inference-gateway"), rule)


def test_a_scale_shortens_windows_and_waits() -> None:
    one, tenth = alerts(deployment()), alerts(deployment(), 0.1)
    assert [a.id for a in one] == [a.id for a in tenth]
    for alert, shorter in zip(one, tenth, strict=True):
        for condition, other in zip(alert.conditions, shorter.conditions, strict=True):
            assert other.hold_seconds == round(condition.hold_seconds / 10)
    assert {"30s", "6m"} == set(re.findall(r"\[(\w+)\]", tenth[0].conditions[0].query))


@cache
def discovered(version: str, name: str) -> Draft202012Validator:
    """A message of the Cloud Monitoring API as its discovery document has it; keys it does not know are errors."""
    folder = Path(googleapiclient.__file__).parent / "discovery_cache/documents"
    schemas = json.loads((folder / f"monitoring.{version}.json").read_text(encoding="utf-8"))["schemas"]
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": {key: _schema(s) for key, s in schemas.items()}})


def _schema(found: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in found:
        return {"$ref": f"#/$defs/{found['$ref']}"}
    made: dict[str, Any] = {key: found[key] for key in ("type", "enum") if key in found}
    if "items" in found:
        made["items"] = _schema(found["items"])
    if found.get("type") == "object":
        made["properties"] = {key: _schema(inner) for key, inner in found.get("properties", {}).items()}
        extra = found.get("additionalProperties")
        made["additionalProperties"] = _schema(extra) if isinstance(extra, dict) else False
    return made


def test_the_dashboard_follows_the_discovery_document_and_has_nothing_that_the_api_leaves_out() -> None:
    dashboard, validator = cloud_dashboard(deployment()), discovered("v1", "Dashboard")
    validator.validate(dashboard)
    assert not validator.is_valid({**dashboard, "title": "x"})
    assert list(_empty(dashboard)) == []
    tiles = dashboard["mosaicLayout"]["tiles"]
    taken = [
        (x, y)
        for t in tiles
        for x in range(t.get("xPos", 0), t.get("xPos", 0) + t["width"])
        for y in [t.get("yPos", 0)]
    ]
    assert len(taken) == len(set(taken)) and max(x for x, _ in taken) < 48


def _empty(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _empty(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _empty(inner, f"{path}[{index}]")
    if not value:
        yield path


def test_policies_follow_the_discovery_document_and_googles_limits() -> None:
    document = read_document(ROOT / "Pulumi.prod.yaml")
    gateway = {"hostname": "llm.example.com", "tls": {"certificateManagerCerts": ["llm", "llm-2"]}}
    recorded = record(replace(document, data={**document.data, "gateway": gateway}))
    policies = [r.inputs for r in recorded.resources if r.type.endswith(":AlertPolicy")]
    assert len(policies) == len(alerts(deployment())) + 1
    for inputs in policies:
        sent = {key: value for key, value in inputs.items() if key != "project"}
        discovered("v3", "AlertPolicy").validate(sent)
        assert 1 <= len(sent["conditions"]) <= 6
        assert all(re.fullmatch(r"[a-z][a-z0-9_-]*", text) for pair in sent["userLabels"].items() for text in pair)
        for condition in sent["conditions"]:
            if "conditionMatchedLog" in condition:
                # Such a policy has one condition and must be limited.
                assert (
                    len(sent["conditions"]) == 1
                    and sent["alertStrategy"]["notificationRateLimit"]["period"] == "86400s"
                )
                named = 'jsonPayload.certificates:"llm" OR jsonPayload.certificates:"llm-2"'
                assert condition["conditionMatchedLog"]["filter"].endswith(
                    f'/logs/certificatemanager.googleapis.com%2Fcertificates_expiry" AND ({named})'
                )
                continue
            asked = condition["conditionPrometheusQueryLanguage"]
            assert int(asked["evaluationInterval"].removesuffix("s")) % 30 == 0
    assert len({inputs["displayName"] for inputs in policies}) == len(policies)


# What Grafana's schema has a default for; what it requires is written.
DEFAULTS = {
    *("timezone", "fiscalYearStartMonth", "graphTooltip", "repeatDirection", "transparent", "custom"),
    *("allowCustomValue", "auto", "auto_count", "auto_min", "includeAll", "multi", "skipUrlSync"),
}


def differences(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """What one document has and the other does not, or otherwise."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        yield from (f"{path}.{key}" for key in (ours.keys() ^ theirs.keys()) - (DEFAULTS - ours.keys()))
        for key in ours.keys() & theirs.keys():
            yield from differences(ours[key], theirs[key], f"{path}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, pair in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(*pair, f"{path}[{index}]")
    elif ours != theirs:
        yield path


def test_grafana_keeps_all_of_its_dashboard_and_misses_nothing() -> None:
    """By the types that Grafana generates from its own schema; a key that they do not know is lost, a required one is added."""
    plugins.register_default_plugins()

    def kept(dashboard: dict[str, Any]) -> list[str]:
        return list(differences(dashboard, json.loads(JSONEncoder().encode(GrafanaDashboard.from_json(dashboard)))))

    dashboard = grafana_dashboard(deployment())
    assert kept(dashboard) == []
    assert kept({**dashboard, "titel": "x"}) == [".titel"]
    chart = dashboard["panels"][1]
    chart["options"] = {**chart["options"], "legend": {"displayMode": "list", "position": "bottom"}}
    assert {path.rpartition(".")[2] for path in kept(dashboard)} == {"position", "calcs", "placement", "showLegend"}


def test_both_dashboards_have_the_same_panels() -> None:
    asked = deployment()
    cloud = {
        (
            tile["widget"]["title"],
            *(s["timeSeriesQuery"]["prometheusQuery"] for s in tile["widget"]["xyChart"]["dataSets"]),
        )
        for tile in cloud_dashboard(asked)["mosaicLayout"]["tiles"]
        if "xyChart" in tile["widget"]
    }
    grafana = {
        (panel["title"], *(target["expr"] for target in panel["targets"]))
        for panel in grafana_dashboard(asked)["panels"]
        if panel["type"] == "timeseries"
    }
    assert cloud == grafana and len(cloud) == sum(len(row.panels) for row in rows(asked))


def test_a_page_is_what_clients_notice_and_the_rest_a_ticket() -> None:
    pages = {alert.id for alert in all_alerts() if alert.severity == "page"}
    assert pages == {"availability-page", "first-token-page", "load-balancer-errors", "no-picker", "no-endpoints"}
    assert len({alert.id for alert in all_alerts()}) == len(all_alerts())


def test_what_a_rehearsal_cannot_ask_is_marked() -> None:
    def of_google(alert: Alert) -> bool:
        series = (name for c in alert.conditions for name in re.findall(r"([\w:]+)\{", c.query))
        return bool(alert.log) or any(SERIES[name].origin == "google" for name in series)

    assert {a.id for a in all_alerts() if a.of_google} == {a.id for a in all_alerts() if of_google(a)}
