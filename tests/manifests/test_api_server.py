"""The API server takes every Kubernetes object of every environment and example, field for field."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

import cluster as kube
from tests.graph.planning import ENVIRONMENTS, planned
from tests.rehearsal.crds.conftest import Object, defined, refusal
from tests.rehearsal.plane import Plane

__all__ = ["defined", "refusal"]
Refusal = Callable[[Object], str | None]


def rendered(name: str, plane: Plane) -> list[Object]:
    """The objects of an environment; the namespaces that they lie in are there, as a dry run wants them."""
    objects = planned(name).objects()
    for where in sorted({obj["metadata"].get("namespace", "default") for obj in objects}):
        kube.apply(plane.client, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": where}}, manager="test")
    return objects


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_server_takes_every_object(name: str, defined: Plane, refusal: Refusal) -> None:
    objects = rendered(name, defined)
    assert objects
    assert [f"{o['kind']} {o['metadata']['name']}: {said}" for o in objects if (said := refusal(o))] == []


@pytest.mark.parametrize(
    ("kind", "path", "value", "says"),
    [
        ("LLMInferenceService", ("spec", "replica"), 1, 'unknown field \\"spec.replica\\"'),
        ("HTTPRoute", ("spec", "rules", 0, "timeouts"), {"request": "1 hour"}, "should match"),
        ("Namespace", ("metadata", "labels"), {"-": "x"}, "Invalid value"),
        ("Job", ("spec", "template", "spec", "restartPolicy"), "Always", "restartPolicy"),
    ],
)
def test_a_wrong_object_is_refused(
    kind: str, path: tuple[str | int, ...], value: Any, says: str, defined: Plane, refusal: Refusal
) -> None:
    wrong = copy.deepcopy(next(obj for obj in rendered("Pulumi.dev.yaml", defined) if obj["kind"] == kind))
    *parents, last = path
    place: Any = wrong
    for step in parents:
        place = place[step]
    place[last] = value
    assert says in (refusal(wrong) or "")
