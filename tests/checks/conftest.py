"""The day stands still."""

from __future__ import annotations

import pytest

from checks.shared import clock
from tests.checks.cases import TODAY


@pytest.fixture(autouse=True)
def _the_day_of_the_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "today", lambda: TODAY)
