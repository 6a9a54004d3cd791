"""The real API server decides on the corpus as a real cluster does, with our definitions installed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

import cluster as kube
from rehearsal import crds
from tests.rehearsal.crds.cases import Case, corpus
from tests.rehearsal.gke.plane import Plane, running, until

CASES = corpus()


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    with running(tmp_path_factory.mktemp("crds"), ()) as made:
        definitions = [crds.definition(p) for p in (*crds.GATEWAY, *crds.MANAGED_PROMETHEUS, *crds.SECRET_SYNC)]
        for definition in definitions:
            kube.apply(made.client, definition, manager="test")
        for definition in definitions:
            until(partial(kube.serves, made.client, definition["metadata"]["name"]))
        yield made


def _refusal(plane: Plane, case: Case) -> str | None:
    path = kube.path_of(plane.client, case.object["apiVersion"], case.kind, "default")
    try:
        plane.client.request("post", f"{path}?dryRun=All&fieldValidation=Strict", body=case.object, serialize=False)
    except kube.ApiException as error:
        return str(error.body)
    return None


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_server_decides_as_the_corpus_says(case: Case, plane: Plane) -> None:
    refusal = _refusal(plane, case)
    assert (refusal is None) is case.accepted, refusal


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("HealthCheckPolicy: no group", "spec.targetRef.group: Required value"),
        ("HealthCheckPolicy: timeout above interval", "timeoutSec cannot exceed checkIntervalSec"),
        ("GCPBackendPolicy: affinity of a pool", "sessionAffinity cannot be configured for InferencePool"),
        ("GCPBackendPolicy: unknown field", 'unknown field \\"spec.default.timeout\\"'),
    ],
)
def test_the_servers_message_says_what_is_wrong(name: str, says: str, plane: Plane) -> None:
    case = next(case for case in CASES if str(case) == name)
    assert says in (_refusal(plane, case) or "")
