"""With our definitions of GKE's kinds the API server decides as a real cluster does, object for object."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from rehearsal import crds
from tests.rehearsal.crds.conftest import Object


def corpus() -> Iterator[tuple[str, bool, Object]]:
    """Objects of GKE's own kinds by `KIND: NAME`, and whether a real cluster takes them."""
    for path in sorted((Path(__file__).parent / "corpus").glob("*.yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        base = {"apiVersion": document["apiVersion"], "kind": document["kind"]}
        for row in document["cases"]:
            spec = {} if row["spec"] is None else {"spec": row["spec"]}
            case = {**base, "metadata": {"name": "case", "namespace": "default"}, **spec}
            yield f"{document['kind']}: {row['name']}", row["accepted"], case


CASES = list(corpus())
_ALL = (*crds.COMPUTE_CLASSES, *crds.GATEWAY, *crds.MANAGED_PROMETHEUS, *crds.SECRET_SYNC)


def test_the_corpus_is_large_and_holds_good_and_bad_objects_of_every_kind() -> None:
    assert len(CASES) >= 60
    assert len({name for name, *_ in CASES}) == len(CASES)
    for kind in (crds.definition(plural)["spec"]["names"]["kind"] for plural in _ALL):
        assert {accepted for _, accepted, case in CASES if case["kind"] == kind} == {True, False}, kind


@pytest.mark.parametrize(("accepted", "case"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_the_server_decides_as_the_corpus_says(
    accepted: bool, case: Object, refusal: Callable[[Object], str | None]
) -> None:
    said = refusal(case)
    assert (said is None) is accepted, said


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
    [case] = [case for found, _, case in CASES if found == name]
    assert says in (refusal(case) or "")


@pytest.mark.parametrize("plural", _ALL)
def test_every_rule_has_a_message(plural: str) -> None:
    text = crds.path(plural).read_text(encoding="utf-8")
    assert text.count("rule:") == text.count("message:") - text.count("message: {type")
