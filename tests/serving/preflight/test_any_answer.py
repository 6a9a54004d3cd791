"""Whatever Google answers within its own schemas, no check trips over it: fields missing, texts empty, lists long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.checking.findings import Check
from serving.checking.runner import run_check
from serving.google.client import GoogleClient
from serving.preflight.context import Context
from serving.preflight.hub import Hub, Repository
from serving.preflight.registry import checks
from settings.derive import Deployment
from tests.everything import examples
from tests.serving.google import discovery
from tests.serving.preflight.conftest import DelegatedTo, environment

_DEEPEST = 4
_TEXTS = st.sampled_from(
    ["", "x", "europe-west4", "europe-west4-a", "vpc", "proxies", "READY", "2026-13-01", "10.0.0.0/8", "::/0"]
)


def answers(api: discovery.Api, schema: Mapping[str, Any], depth: int = 0) -> st.SearchStrategy[Any]:
    """Values that a schema allows."""
    if "$ref" in schema:
        schema = api.document["schemas"][schema["$ref"]]
    kind = schema.get("type")
    if kind == "object":
        if depth >= _DEEPEST:
            return st.just({})
        inside = {
            key: answers(api, row, depth + 1) for key, row in schema.get("properties", {}).items() if key in _READ
        }
        named = st.fixed_dictionaries({}, optional=inside)
        if "additionalProperties" not in schema:
            return named
        return st.dictionaries(_TEXTS, answers(api, schema["additionalProperties"], depth + 1), max_size=2)
    if kind == "array":
        return st.lists(answers(api, schema["items"], depth + 1), max_size=3)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if kind == "string":
        return st.integers(0, 9).map(str) if schema.get("format") in ("int64", "uint64") else _TEXTS
    return {"integer": st.integers(0, 99), "boolean": st.booleans()}.get(str(kind), st.just(0.5))


# Fields that some check reads; the others of a resource (a hundred for some) would only make the search slow.
_READ = {
    *("name", "state", "status", "region", "network", "items", "zone", "deprecated", "permissions", "services"),
    *("machineTypes", "channels", "channel", "validVersions", "defaultVersion", "resourceLabels", "purpose", "role"),
    *("ipCidrRange", "secondaryIpRanges", "rangeName", "privateIpGoogleAccess", "subnetworks", "peerings", "destRange"),
    *("address", "prefixLength", "addressType", "users", "managed", "provisioningIssue", "reason", "expireTime"),
    *("specificReservation", "specificReservationRequired", "instanceProperties", "machineType", "count", "inUseCount"),
    *("aggregateReservation", "vmFamily", "reservedResources", "inUseResources", "accelerator", "acceleratorCount"),
}
EXISTING = {
    "mode": "existing",
    "name": "vpc",
    "subnetwork": "x",
    "proxyOnlySubnet": {"mode": "existing", "name": "proxies"},
}
GATEWAY = {
    "gatewayClassName": "gke-l7-regional-external-managed",
    "address": {"name": "x"},
    "tls": {"certificateManagerCerts": ["x"], "sslPolicy": "x"},
    "authentication": {"securityPolicy": "x"},
}
TOKEN = {"secretManager": {"secret": "x", "version": "1"}}
MODEL = {
    "name": "llama",
    "source": "hf://meta-llama/Llama-3.1-8B-Instruct",
    "tpu": {"generation": "v6e", "topology": "1x1"},
    "huggingFaceToken": TOKEN,
}
ENVIRONMENTS = [
    environment(
        network=EXISTING,
        gateway=GATEWAY,
        models=[MODEL],
        project={"id": "example-project", "number": "1"},
        capacity={"purchase": "reservation", "reservation": "x"},
    ),
    environment(
        network={**EXISTING, "proxyOnlySubnet": {"mode": "create"}},
        gateway={**GATEWAY, "tls": {"preSharedCerts": ["x"]}},
    ),
]


class AnyGoogle(GoogleClient):
    """Answers with what is drawn."""

    def __init__(self, data: st.DataObject) -> None:
        super().__init__("example-project", lambda: None, 1)
        self._data = data

    def find(self, api: str, method: str, **parameters: Any) -> dict[str, Any] | None:
        known = discovery.api(api)
        [found] = [item for item in known.methods if item.name == method]
        answer: dict[str, Any] | None = self._data.draw(st.none() | answers(known, found.response), label=method)
        return answer


class OpenHub(Hub):
    """Has everything."""

    def find(self, model: str, revision: str = "") -> Repository | None:
        return Repository(model)


NAMED = [check for check in checks() if check.name not in ("quota", "disk-quota")]


@pytest.mark.parametrize("check", NAMED, ids=lambda check: check.name)
@pytest.mark.parametrize("deployment", ENVIRONMENTS, ids=["existing", "adding"])
@settings(max_examples=examples(40), derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_answer_makes_a_check_trip(check: Check, deployment: Deployment, data: st.DataObject) -> None:
    outcome = run_check(check, Context(deployment, AnyGoogle(data), OpenHub(1), DelegatedTo()))
    assert [result.message for result in outcome.findings if result.failure == "unexpected"] == []
