"""No false alarm, and no gap: what the program makes of a valid environment breaks no rule, and is all looked at."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks.environment import check
from checks.objects import context_of, on_objects, on_resource
from checks.objects.values import with_unknowns
from manifests.base import reference
from manifests.rendered import rendered
from serving.plan.invariants import findings
from serving.program.record import SECRET, UNKNOWN
from settings.document import Document
from settings.refusal import refusals
from tests.everything import examples
from tests.graph.planning import ENVIRONMENTS, plan_document, planned
from tests.graph.test_deletion import environments

every_environment = pytest.mark.parametrize("name", ENVIRONMENTS)


@every_environment
def test_nothing_that_an_environment_creates_is_refused(name: str) -> None:
    plan = planned(name)
    assert refusals(findings(plan.deployment, plan.graph)) == []
    assert refusals(on_objects(plan.objects(), context=context_of(plan.deployment))) == []
    for resource in plan.graph.order:
        assert refusals(on_resource(resource.type, with_unknowns(resource.inputs, (UNKNOWN, SECRET)))) == []


@every_environment
def test_the_program_checks_every_object_that_it_registers(name: str) -> None:
    plan = planned(name)
    checked = sorted(map(reference, rendered(plan.deployment).objects()), key=str)
    assert checked == sorted(map(reference, plan.objects()), key=str)


@every_environment
def test_what_is_checked_is_what_is_registered(name: str) -> None:
    plan = planned(name)
    checked = {reference(obj): obj for obj in rendered(plan.deployment).objects()}
    for obj in plan.objects():
        left_out = {"metadata", "status", "stringData"}  # a token's value is known to the engine alone
        registered, mine = (
            {key: value for key, value in one.items() if key not in left_out} for one in (obj, checked[reference(obj)])
        )
        assert registered == mine


EXTERNAL = {"gatewayClassName": "gke-l7-regional-external-managed"}
gateways: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {},
        {"hostname": "models.example.com", "address": {"name": "models", "create": True}},
        {"tls": {"secretName": "tls"}},
        {"tls": {"certificateManagerCerts": ["a", "b"], "sslPolicy": "modern"}, "globalAccess": True},
        {**EXTERNAL, "waiver": {"reason": "a demonstration for a week", "until": "2099-01-01"}},
        {**EXTERNAL, "tls": {"preSharedCerts": ["a"]}, "authentication": {"securityPolicy": "allow-list"}},
        {**EXTERNAL, "tls": {"preSharedCerts": ["a"]}, "authentication": {"iapClientId": "id"}},
    ]
)
options: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "contextLength": st.integers(16, 32768),
        "longestAnswerSeconds": st.integers(1, 86400),
        "startupBudgetSeconds": st.integers(60, 14400),
        "servedNames": st.sampled_from([["Org/Name"], ["a model", "b"]]),
        "schedulerProfile": st.sampled_from(["prefixCache", "loadAware"]),
        "serverFlags": st.sampled_from(
            [
                {"max-num-seqs": 128},
                {"async-scheduling": True},
                {"gpu_memory_utilization": 0.9},
                {"max-model-len": "4k"},
            ]
        ),
        "unlistedServerFlags": st.sampled_from([{"our-flag": 1}, {"our-switch": True}]),
        "huggingFaceToken": st.just({"kubernetesSecret": {"name": "hf-token"}}),
        "image": st.just("registry.example.com/vllm/vllm-tpu:v0.27.0"),
    },
)
OVERRIDES = [{"rule": r, "reason": "a generated environment", "until": "2099-01-01"} for r in ("TP13", "VL05")]


@st.composite
def wide_environments(draw: st.DrawFn) -> dict[str, Any]:
    """Environments of the graph's tests, with everything else that a user may set."""
    data: dict[str, Any] = dict(draw(environments))
    models: list[dict[str, Any]] = [{**model, **draw(options)} for model in data["models"]]
    names = [name for model in models for name in model.get("servedNames", [model["name"]])]
    if len(names) != len(set(names)):
        models = models[:1]
    return {**data, "gateway": draw(gateways), "models": models, "overrides": OVERRIDES}


@settings(max_examples=examples(150), derandomize=True)
@given(data=wide_environments())
def test_no_valid_environment_makes_objects_that_break_a_rule(data: dict[str, Any]) -> None:
    deployment, found = check(Document("generated", "generated", data))
    if deployment is None or refusals(found):
        return
    assert refusals(on_objects(rendered(deployment).objects(), context=context_of(deployment))) == []


def test_most_generated_environments_are_valid() -> None:
    """Else the test above would mean little."""
    valid: list[bool] = []

    @settings(max_examples=examples(40), suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    @given(data=wide_environments())
    def count(data: dict[str, Any]) -> None:
        deployment, found = check(Document("generated", "generated", data))
        valid.append(deployment is not None and not refusals(found))

    count()
    assert sum(valid) > len(valid) / 2


@settings(max_examples=examples(5), derandomize=True)
@given(data=environments)
def test_no_valid_environment_makes_resources_that_break_a_rule(data: dict[str, Any]) -> None:
    plan = plan_document(Document("generated", "generated", data))
    assert refusals(findings(plan.deployment, plan.graph)) == []
