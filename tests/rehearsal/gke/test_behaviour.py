"""Every row of the stand-ins' tables has a source and names a test that exists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import rehearsal

_PACKAGE = Path(rehearsal.__file__).parent
_ROWS = [
    (name, row)
    for name in ("gke", "cert_manager")
    for row in yaml.safe_load((_PACKAGE / name / "behaviour.yaml").read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(("package", "row"), _ROWS, ids=[row["behaviour"][:60] for _, row in _ROWS])
def test_a_row_has_a_source_and_a_test_that_exists(package: str, row: dict[str, Any]) -> None:
    assert {"behaviour", "source", "test"} <= set(row) <= {"behaviour", "source", "test", "verified"}
    path, _, name = row["test"].partition("::")
    assert f"def {name}(" in (_PACKAGE.parent / path).read_text(encoding="utf-8")
