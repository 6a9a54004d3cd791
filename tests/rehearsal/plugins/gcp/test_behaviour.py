"""Every row of behaviour.yaml has a source and a test that exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import rehearsal.plugins.gcp
from settings.document import ROOT

ROWS: list[dict[str, Any]] = yaml.safe_load(
    (Path(rehearsal.plugins.gcp.__file__).parent / "behaviour.yaml").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("row", ROWS, ids=range(len(ROWS)))
def test_a_row_names_its_source_and_its_test(row: dict[str, Any]) -> None:
    assert {"behaviour", "source", "test"} <= set(row) <= {"behaviour", "source", "test", "verified"}
    file, *names = row["test"].split("::")
    text = (ROOT / file).read_text(encoding="utf-8")
    for name in names:
        assert re.search(rf"^\s*(def|class) {name}\b", text, re.MULTILINE), row["test"]
