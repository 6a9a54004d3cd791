"""What a fresh cloud does not know stays out of names; what is secret stays out of everything that is shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN as SENTINEL

from checks.environment import require
from serving.plan.document import document
from serving.plan.graph import Graph
from serving.plan.plan import Plan
from serving.program import record as recorder
from serving.program.record import UNKNOWN
from settings.document import ROOT, read_document
from tests.graph.planning import ENVIRONMENTS, of_kind, planned

# Identities that a provider sends to the API: unknown, they would be made anew by every preview.
IDENTITIES = ("name", "accountId", "namespace", "project", "location", "region", "role", "service", "chart", "version")
TOKEN = "hf_token-value-nobody-may-see"

every = pytest.mark.parametrize("name", ENVIRONMENTS)


def texts(value: Any) -> Iterator[str]:
    """Every text of a value, keys included."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value


@every
def test_no_identity_is_unknown(name: str) -> None:
    for r in planned(name).graph.recording.resources:
        assert UNKNOWN not in r.name
        known = {key: r.inputs[key] for key in IDENTITIES if key in r.inputs}
        if r.name == "certificate-proof":  # Certificate Manager chooses where its proof stands
            del known["name"]
        assert UNKNOWN not in list(texts([known, r.inputs.get("metadata", {}), r.inputs.get("spec", {})])), r.name


@every
def test_an_unknown_is_whole_or_absent_and_no_output_was_turned_into_text(name: str) -> None:
    for r in planned(name).graph.recording.resources:
        for text in texts(r.inputs):
            assert SENTINEL not in text, r.name
            assert UNKNOWN not in text or text == UNKNOWN, r.name
            assert "Output[" not in text and "Output<" not in text and "pulumi.output" not in text, r.name


@every
def test_kubernetes_objects_are_known_to_the_last_field(name: str) -> None:
    for r in planned(name).graph.resources.values():
        if r.type.startswith("kubernetes:"):
            assert UNKNOWN not in list(texts(r.inputs)), r.name


@pytest.fixture
def with_token(monkeypatch: pytest.MonkeyPatch) -> Plan:
    """The gated example as the engine runs it: with the token's value in its configuration."""
    plain = recorder.engine_config
    monkeypatch.setattr(recorder, "engine_config", lambda d: {**plain(d), "tpu-serving:hfToken": TOKEN})
    read = read_document(ROOT / "examples/gated-model.yaml")
    deployment, findings = require(read)
    return Plan(deployment, Graph(recorder.record(read)), findings)


def test_the_value_of_a_token_is_a_secret_field_and_nowhere_in_the_plan(with_token: Plan) -> None:
    [secret] = [r for r in of_kind(with_token, "Secret") if r.name == "model-llama-8b-token"]
    assert secret.secrets == ["stringData"] or secret.secrets == ["stringData.HF_TOKEN"]
    shown = document(with_token).model_dump_json() + json.dumps(with_token.objects())
    assert TOKEN not in shown
    assert "[secret]" in json.dumps(secret.inputs)


def test_the_only_secrets_are_the_token_and_the_kubeconfig(with_token: Plan) -> None:
    holders = {r.name: r.secrets for r in with_token.graph.recording.resources if r.secrets}
    assert set(holders) <= {"model-llama-8b-token", "cluster-kubernetes"}


def test_a_token_kept_elsewhere_makes_no_secret_of_ours() -> None:
    for name in ("examples/secret-manager.yaml", "examples/multi-host.yaml"):
        assert not [r for r in of_kind(planned(name), "Secret") if "stringData" in r.inputs or "data" in r.inputs]
    kinds = {r.type.rsplit(":", 1)[-1] for r in planned("examples/secret-manager.yaml").graph.order}
    assert {"SecretProviderClass", "SecretSync", "SecretIamMember"} <= kinds
