"""With our definitions of GKE's kinds the API server decides as a real cluster does, object for object."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rehearsal import crds
from tests.rehearsal.crds.cases import Case, corpus
from tests.rehearsal.crds.conftest import Object

CASES = corpus()
_ALL = (*crds.COMPUTE_CLASSES, *crds.GATEWAY, *crds.MANAGED_PROMETHEUS, *crds.SECRET_SYNC)


def test_the_corpus_is_large_and_holds_good_and_bad_objects_of_every_kind() -> None:
    assert len(CASES) >= 60
    assert len({str(case) for case in CASES}) == len(CASES)
    for kind in (crds.definition(plural)["spec"]["names"]["kind"] for plural in _ALL):
        assert {case.accepted for case in CASES if case.kind == kind} == {True, False}, kind


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_server_decides_as_the_corpus_says(case: Case, refusal: Callable[[Object], str | None]) -> None:
    said = refusal(case.object)
    assert (said is None) is case.accepted, said


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("HealthCheckPolicy: no group", "spec.targetRef.group: Required value"),
        ("HealthCheckPolicy: timeout above interval", "timeoutSec cannot exceed checkIntervalSec"),
        ("GCPBackendPolicy: affinity of a pool", "sessionAffinity cannot be configured for InferencePool"),
        ("GCPBackendPolicy: unknown field", 'unknown field \\"spec.default.timeout\\"'),
    ],
)
def test_the_servers_message_says_what_is_wrong(name: str, says: str, refusal: Callable[[Object], str | None]) -> None:
    case = next(case for case in CASES if str(case) == name)
    assert says in (refusal(case.object) or "")


@pytest.mark.parametrize("plural", _ALL)
def test_every_rule_has_a_message(plural: str) -> None:
    text = crds.path(plural).read_text(encoding="utf-8")
    assert text.count("rule:") == text.count("message:") - text.count("message: {type")
