"""Stack outputs are read by the contract: a later minor version may have more, another major one is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cluster.outputs import OutputsError, parse_outputs, read_outputs
from settings.outputs import Outputs
from tests.serving.verify import deployed

GOOD: dict[str, Any] = deployed.outputs(deployed.deployment(), "http://10.0.0.9").model_dump(by_alias=True)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def test_what_was_exported_is_what_is_read() -> None:
    assert read_outputs(json.dumps(GOOD), "x") == Outputs.model_validate(GOOD)


@given(more=st.dictionaries(st.text(min_size=1, max_size=8).map("x-{}".format), JSON, max_size=3))
def test_a_later_minor_version_may_have_more_fields(more: dict[str, Any]) -> None:
    later = {**GOOD, **more, "contractVersion": "1.7", "models": [{**model, **more} for model in GOOD["models"]]}
    assert parse_outputs(later, "x") == Outputs.model_validate({**GOOD, "contractVersion": "1.7"})


@given(data=JSON)
def test_anything_else_is_refused_in_words(data: Any) -> None:
    with pytest.raises(OutputsError, match=r"^x"):
        parse_outputs(data, "x")


@given(key=st.sampled_from(sorted(GOOD)), value=JSON)
def test_a_wrong_value_is_refused_by_its_name_or_is_right(key: str, value: Any) -> None:
    data = {**GOOD, key: value}
    try:
        Outputs.model_validate(data, strict=True)
    except ValidationError:
        with pytest.raises(OutputsError, match=key if key != "contractVersion" else "contract"):
            parse_outputs(data, "x")


def test_another_major_version_is_refused() -> None:
    with pytest.raises(OutputsError, match=r"follow contract 2\.0; this program reads 1\.x"):
        parse_outputs({**GOOD, "contractVersion": "2.0"}, "x")
