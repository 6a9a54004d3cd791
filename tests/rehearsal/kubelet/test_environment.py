"""A container's variables are the kubelet's: order, references, expansion, and what is missing."""

from __future__ import annotations

from typing import Any

import pytest

from rehearsal.kubelet.downward import quantity
from rehearsal.kubelet.environment import container_environment, expand
from rehearsal.kubelet.objects import MissingReferenceError
from tests.rehearsal.kubelet.fakes import Given, around


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)-$(B)", "1-2"),
        ("$(UNKNOWN)", "$(UNKNOWN)"),
        ("$$(A)", "$(A)"),
        ("$A ${A}", "$A ${A}"),
        ("$(A", "$(A"),
        ("$$$(A)", "$1"),
    ],
)
def test_expansion_follows_kubernetes(text: str, expected: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}) == expected


def test_later_variables_see_earlier_ones_and_env_wins_over_env_from() -> None:
    given = Given(config_maps={"all": {"A": "from", "C": "c"}}, secrets={"hidden": {"key": "s"}})
    container = {
        "envFrom": [{"configMapRef": {"name": "all"}}, {"prefix": "P_", "secretRef": {"name": "hidden"}}],
        "env": [{"name": "A", "value": "own"}, {"name": "B", "value": "$(A)/$(C)/$(LATER)"}, {"name": "LATER"}],
    }
    values = container_environment(container, around(objects=given))
    assert values == {"A": "own", "C": "c", "P_key": "s", "B": "own/c/$(LATER)", "LATER": ""}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("metadata.name", "qwen-0"),
        ("metadata.labels['app']", "qwen"),
        ("metadata.labels['none']", ""),
        ("metadata.annotations", 'note="a \\"b\\""'),
        ("spec.nodeName", "node-1"),
        ("spec.serviceAccountName", "default"),
        ("status.podIP", "127.65.0.10"),
        ("status.hostIP", "127.0.0.1"),
    ],
)
def test_field_references(path: str, expected: str) -> None:
    container = {"env": [{"name": "X", "valueFrom": {"fieldRef": {"fieldPath": path}}}]}
    assert container_environment(container, around())["X"] == expected


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ({"resource": "limits.memory", "divisor": "1Mi"}, "2048"),
        ({"resource": "limits.cpu"}, "8"),
        ({"resource": "requests.cpu"}, "1"),
        ({"resource": "requests.cpu", "divisor": "1m"}, "500"),
    ],
)
def test_resource_references_fall_back_to_the_node_and_round_up(reference: dict[str, str], expected: str) -> None:
    container = {
        "resources": {"limits": {"memory": "2Gi"}, "requests": {"cpu": "500m"}},
        "env": [{"name": "X", "valueFrom": {"resourceFieldRef": reference}}],
    }
    assert container_environment(container, around())["X"] == expected


def _reference(kind: str, **more: Any) -> dict[str, Any]:
    return {"env": [{"name": "X", "valueFrom": {kind: {"name": "n", "key": "k", **more}}}]}


def test_a_missing_object_or_key_is_reported_in_the_kubelets_words() -> None:
    with pytest.raises(MissingReferenceError, match='secret "n" not found'):
        container_environment(_reference("secretKeyRef"), around())
    with pytest.raises(MissingReferenceError, match="couldn't find key k in ConfigMap models/n"):
        container_environment(_reference("configMapKeyRef"), around(objects=Given(config_maps={"n": {}})))


def test_an_optional_reference_sets_nothing() -> None:
    assert container_environment(_reference("secretKeyRef", optional=True), around()) == {}


def test_quantities() -> None:
    assert [int(quantity(text)) for text in ("1Gi", "2k", "1e3", "3")] == [1024**3, 2000, 1000, 3]
    with pytest.raises(ValueError, match="quantity"):
        quantity("5 GB")
