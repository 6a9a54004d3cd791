"""Every row of the load balancer's table has a source and names a test that exists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import rehearsal

_PACKAGE = Path(rehearsal.__file__).parent
_ROWS = yaml.safe_load((_PACKAGE / "load_balancer" / "behaviour.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", _ROWS, ids=[row["behaviour"][:60] for row in _ROWS])
def test_a_row_has_a_source_and_a_test_that_exists(row: dict[str, Any]) -> None:
    assert {"behaviour", "source", "test"} <= set(row) <= {"behaviour", "source", "test", "verified"}
    path, _, name = row["test"].partition("::")
    assert f"def {name}(" in (_PACKAGE.parent / path).read_text(encoding="utf-8")
