"""Every rule on settings refuses what it is for, at the right place, and leaves a good file alone."""

from __future__ import annotations

import copy
import datetime
from typing import Any

import pytest

from catalog.rules import load_rules
from checks.environment import check
from settings.document import Document
from settings.refusal import Finding, render_path

GOOD: dict[str, Any] = {
    "project": {"id": "example-project"},
    "location": {"zone": "europe-west4-a"},
    "models": [
        {"name": "qwen", "source": "hf://Qwen/Qwen2.5-3B-Instruct", "tpu": {"generation": "v6e", "topology": "2x2"}}
    ],
}
EXTERNAL = {"gatewayClassName": "gke-l7-regional-external-managed"}
MODEL = ("models", 0)
TOMORROW = (datetime.datetime.now(tz=datetime.UTC).date() + datetime.timedelta(days=1)).isoformat()

# 28 attention heads on 8 chips.
SEVEN_BILLION = {
    "name": "seven",
    "source": "hf://Qwen/Qwen2.5-7B-Instruct",
    "tpu": {"generation": "v6e", "topology": "2x4"},
}

# rule, where to write, what, the path the refusal must name
CASES: list[tuple[str, tuple[Any, ...], Any, str]] = [
    ("GW01", ("gateway", "gatewayClassName"), "gke-l7-global-external-managed", "gateway.gatewayClassName"),
    ("GW01", ("gateway", "gatewayClassName"), "istio", "gateway.gatewayClassName"),
    ("GW02", ("network", "proxyOnlySubnet"), {"mode": "existing"}, "network.proxyOnlySubnet.name"),
    ("GW02", ("network", "proxyOnlySubnet"), {"cidr": "10.129.0.0/27"}, "network.proxyOnlySubnet.cidr"),
    ("GW03", ("gateway",), EXTERNAL, "gateway.gatewayClassName"),
    (
        "GW03",
        ("gateway",),
        {**EXTERNAL, "waiver": {"reason": "a load test", "until": "2026-01-01"}},
        "gateway.waiver.until",
    ),
    ("GW05", ("gateway", "tls"), {}, "gateway.tls"),
    ("GW05", ("gateway", "tls"), {"secretName": "a", "preSharedCerts": ["b"]}, "gateway.tls"),
    ("TP01", (*MODEL, "tpu", "generation"), "v7", "models[0].tpu.generation"),
    ("TP01", (*MODEL, "tpu", "topology"), "2x2x1", "models[0].tpu.topology"),
    ("TP01", (*MODEL, "tpu", "machineType"), "ct6e-standard-8t", "models[0].tpu.machineType"),
    ("TP04", (*MODEL,), SEVEN_BILLION, "models[0].tpu.topology"),
    ("TP05", ("location", "zone"), "europe-west1-b", "location.zone"),
    ("TP09", ("capacity",), {"purchase": "reservation"}, "capacity.reservation"),
    ("TP09", ("capacity",), {"purchase": "spot", "reservation": "mine"}, "capacity.reservation"),
    ("TP09", ("capacity",), {"purchase": "spot", "maxRunHours": 5}, "capacity.maxRunHours"),
    ("TP09", ("capacity",), {"purchase": "flexStart", "maxRunHours": 200}, "capacity.maxRunHours"),
    ("TP10", (*MODEL, "parametersBillion"), 70.0, "models[0].tpu.topology"),
    ("TP11", ("capacity",), {"spareSlices": 0}, "capacity.spareSlices"),
    ("TP13", (*MODEL, "tpu"), {"generation": "v6e", "topology": "4x4"}, "models[0].tpu.topology"),
    ("CL02", ("cluster", "minVersion"), "1.33.4", "cluster.minVersion"),
    ("CL02", ("cluster", "minVersion"), "newest", "cluster.minVersion"),
    ("CL04", ("network", "podsCidr"), "10.0.0.0/14", "network.podsCidr"),
    ("CL04", ("network", "nodesCidr"), "10.0.0.1/20", "network.nodesCidr"),
    ("CL06", ("location", "region"), "us-central1", "location.region"),
    ("CL07", ("network",), {"mode": "existing", "name": "vpc"}, "network.subnetwork"),
    ("CL08", ("cluster", "controlPlane"), {"dnsEndpoint": False}, "cluster.controlPlane"),
    ("KS01", ("platform",), {"kserve": "existing", "kserveVersion": "0.18.0"}, "platform.kserveVersion"),
    ("KS04", (*MODEL, "name"), "a-name-of-more-than-thirty-eight-characters", "models[0].name"),
    ("KS05", (*MODEL, "source"), "gs://bucket/model", "models[0].source"),
    ("KS05", (*MODEL, "source"), "Qwen/Qwen2.5-3B-Instruct", "models[0].source"),
    ("VL01", (*MODEL, "serverFlags"), {"prefix-cache-block-size": 16}, "models[0].serverFlags.prefix-cache-block-size"),
    ("VL01", (*MODEL, "serverFlags"), {"disable-log-requests": True}, "models[0].serverFlags.disable-log-requests"),
    ("VL01", (*MODEL, "serverFlags"), {"max-num-seqs": "many"}, "models[0].serverFlags.max-num-seqs"),
    ("VL07", (*MODEL, "serverFlags"), {"attention-backend": "FLASH_ATTN"}, "models[0].serverFlags.attention-backend"),
    ("VL05", (*MODEL, "unlistedServerFlags"), {"new-flag": 1}, "models[0].unlistedServerFlags"),
    ("VL06", (*MODEL, "contextLength"), 1_000_000, "models[0].contextLength"),
    ("VL06", (*MODEL, "longestAnswerTokens"), 1_000_000, "models[0].longestAnswerTokens"),
    ("SC01", (*MODEL, "image"), "vllm/vllm-tpu:latest", "models[0].image"),
    ("SC01", (*MODEL, "image"), "vllm/vllm-tpu", "models[0].image"),
    ("SC03", (*MODEL, "servedNames"), ["hf_" + "a" * 30], "models[0].servedNames[0]"),
    ("SC04", (*MODEL, "source"), "hf://meta-llama/Llama-3.1-8B-Instruct", "models[0]"),
    ("SC05", (*MODEL, "huggingFaceToken"), {}, "models[0].huggingFaceToken"),
    ("SC05", (*MODEL, "huggingFaceToken"), {"secretManager": {"secret": "hf"}}, "project.number"),
    ("OV01", ("overrides",), [{"rule": "GW01", "reason": "because I say so", "until": TOMORROW}], "overrides[0].rule"),
    (
        "OV01",
        ("overrides",),
        [{"rule": "TP13", "reason": "because I say so", "until": "2026-01-01"}],
        "overrides[0].until",
    ),
    ("OV01", ("overrides",), [{"rule": "ZZ99", "reason": "because I say so", "until": TOMORROW}], "overrides[0].rule"),
]
# Rules whose mistake takes more than one value.
LONGER = {"RT06", "KS03", "CL05"}


def write(where: tuple[Any, ...], what: Any, data: dict[str, Any] | None = None) -> dict[str, Any]:
    """A good file with one value changed."""
    data = copy.deepcopy(GOOD if data is None else data)
    at: Any = data
    for part in where[:-1]:
        at = at.setdefault(part, {}) if isinstance(at, dict) else at[part]
    at[where[-1]] = what
    return data


def findings(data: dict[str, Any]) -> list[Finding]:
    """Everything said about a file's content."""
    return check(Document("test", "test.yaml", data))[1]


def test_a_good_file_has_no_finding() -> None:
    assert findings(GOOD) == []


@pytest.mark.parametrize(("rule", "where", "what", "path"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_the_mistake_is_refused_by_its_rule_at_its_place(
    rule: str, where: tuple[Any, ...], what: Any, path: str
) -> None:
    data = write(where, what)
    found = [f for f in findings(data) if f.rule == rule]
    assert found, f"{rule} said nothing"
    if path:
        assert path in {render_path(f.path) for f in found}
    assert all(f.fix and f.message and f.source for f in found)


def test_two_models_of_one_name_or_served_name_are_refused() -> None:
    data = copy.deepcopy(GOOD)
    data["models"].append(copy.deepcopy(data["models"][0]))
    assert "RT06" in {f.rule for f in findings(data)}
    data["models"][1]["name"] = "other"
    data["models"][1]["servedNames"] = ["qwen"]
    assert "RT06" in {f.rule for f in findings(data)}
    data["models"][1]["servedNames"] = ["mine"]
    assert findings(data) == []


def test_multi_host_needs_leader_worker_set() -> None:
    data = write(("platform",), {"leaderWorkerSet": "off"})
    assert findings(data) == []
    data["models"][0]["tpu"] = {"generation": "tpu7x", "topology": "2x2x2"}
    assert "KS03" in {f.rule for f in findings(data)}


def test_production_without_deletion_protection_is_a_warning_only() -> None:
    data = write(("cluster",), {"deletionProtection": False}, write(("tier",), "production"))
    assert [(f.rule, f.warning) for f in findings(data)] == [("CL05", True)]


def test_an_override_with_reason_and_date_lets_a_rule_of_level_o_pass() -> None:
    data = write((*MODEL, "tpu"), {"generation": "v6e", "topology": "4x4"})
    data["overrides"] = [{"rule": "TP13", "reason": "tried by our own team", "until": TOMORROW}]
    assert "TP13" not in {f.rule for f in findings(data)}


def test_a_secret_in_clear_is_never_repeated() -> None:
    token = "hf_" + "s3cret" * 6
    data = write((*MODEL, "servedNames"), [token])
    assert all(token not in f"{f.value} {f.message} {f.fix}" for f in findings(data) if f.rule == "SC03")


def test_every_rule_has_a_refusing_example() -> None:
    assert set(load_rules()) == {c[0] for c in CASES} | LONGER


def test_near_misses_are_named() -> None:
    [shape] = [f for f in findings(write((*MODEL, "tpu", "topology"), "2x2x1")) if f.rule == "TP01"]
    assert "2x2." in shape.fix
    [zone] = [f for f in findings(write(("location", "zone"), "europe-west1-b")) if f.rule == "TP05"]
    assert "europe-west4-a" in zone.fix.split(",")[0]
    [bucket] = [f for f in findings(write((*MODEL, "source"), "gs://b/m")) if f.rule == "KS05"]
    assert "pvc://" in bucket.fix and "s3://" in bucket.fix
