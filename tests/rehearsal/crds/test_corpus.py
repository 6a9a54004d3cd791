"""GKE's kinds as written here decide as those of a real cluster, object for object."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rehearsal import crds
from tests import schemas
from tests.rehearsal.crds.cases import Case, corpus

CASES = corpus()
OURS, LIVE, PUBLIC = "ours", "gke-live", "gke"
_ALL = (*crds.GATEWAY, *crds.MANAGED_PROMETHEUS, *crds.SECRET_SYNC)

needs_published = pytest.mark.skipif(
    not schemas.available(),
    reason=f"no published schemas: put them into {schemas.location()} or set {schemas.LOCATION_VARIABLE}",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The definitions of the rehearsal, laid out as the in-process validator wants them."""
    folder = tmp_path_factory.mktemp("schemas")
    (folder / OURS).mkdir()
    for plural in _ALL:
        shutil.copy(crds.path(plural), folder / OURS / f"{plural}.yaml")
    return folder


@pytest.fixture
def ours(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The in-process validator decides by the definitions of the rehearsal, not by the published ones."""
    monkeypatch.setenv(schemas.LOCATION_VARIABLE, str(folder))


def _refusals(case: Case, variant: str) -> list[str]:
    return [str(problem) for problem in schemas.validate(case.object) if problem.variant == variant]


def test_the_corpus_is_large_and_holds_good_and_bad_objects_of_every_kind() -> None:
    assert len(CASES) >= 60
    assert len({str(case) for case in CASES}) == len(CASES)
    for kind in (crds.definition(plural)["spec"]["names"]["kind"] for plural in _ALL):
        assert {case.accepted for case in CASES if case.kind == kind} == {True, False}, kind


@pytest.mark.parametrize("case", CASES, ids=str)
def test_ours_decides_as_the_corpus_says(case: Case, ours: None) -> None:
    problems = _refusals(case, OURS)
    assert (not problems) is case.accepted, problems


@needs_published
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_real_clusters_schema_decides_as_the_corpus_says(case: Case) -> None:
    assert LIVE in schemas.schemas_for(case.object["apiVersion"], case.kind)
    problems = _refusals(case, LIVE)
    assert (not problems) is case.accepted, problems


@needs_published
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_public_definition_differs_exactly_where_the_corpus_says(case: Case) -> None:
    if PUBLIC not in schemas.schemas_for(case.object["apiVersion"], case.kind):
        assert case.agreed
        return
    problems = _refusals(case, PUBLIC)
    assert ((not problems) is case.accepted) is case.agreed, problems


def test_every_rule_has_a_message_and_can_be_evaluated(ours: None) -> None:
    assert schemas.unsupported_rules() == []
    for plural in _ALL:
        text = crds.path(plural).read_text(encoding="utf-8")
        assert text.count("rule:") == text.count("message:") - text.count("message: {type"), plural


@pytest.mark.parametrize("plural", _ALL)
def test_a_definition_names_itself_as_the_server_wants(plural: str) -> None:
    document = crds.definition(plural)
    spec = document["spec"]
    assert document["metadata"]["name"] == f"{spec['names']['plural']}.{spec['group']}"
    assert Path(crds.path(plural)).stem == plural == spec["names"]["plural"]
