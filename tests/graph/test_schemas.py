"""Every object of every environment and example is what the real schemas accept, structure and rules."""

from __future__ import annotations

import pytest

from tests.graph.planning import ENVIRONMENTS, planned
from tests.schemas import available, validate


@pytest.mark.skipif(
    not available(), reason="the schema folder ../shared/crds is not here (TPU_SERVING_SCHEMAS names another)"
)
@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_schemas_accept_everything_rendered(name: str) -> None:
    problems = [f"{o['kind']} {o['metadata']['name']}: {p}" for o in planned(name).objects() for p in validate(o)]
    assert problems == []
